"""The HTTP interface of recommendation-service."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from shop.identifiers import PathName
from shop.recommendation.contract import RecommendationList, Recommendations


def api(logic: Recommendations) -> APIRouter:
    """`GET /v1/recommendations?user_id=&limit=`."""
    router = APIRouter(prefix="/v1", tags=["recommendations"])

    @router.get("/recommendations")
    def recommendations(
        user_id: PathName, limit: Annotated[int, Query(ge=1, le=40)] = 5
    ) -> RecommendationList:
        """What somebody may like, best first."""
        return logic.for_user(user_id, limit)

    return router
