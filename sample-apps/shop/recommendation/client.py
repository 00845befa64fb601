"""The client of recommendation-service, for the services that call it."""

from __future__ import annotations

from shop.chassis.ports import Caller
from shop.chassis.replies import read_reply
from shop.recommendation.contract import RecommendationList

SERVICE = "recommendation-service"


class RecommendationClient:
    """Implements `contract.Recommendations` over HTTP; raises `DependencyError`s."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def for_user(self, user_id: str, limit: int) -> RecommendationList:
        """Best first."""
        response = self._caller.request(
            "GET", "/v1/recommendations", params={"user_id": user_id, "limit": limit}
        )
        return read_reply(response, RecommendationList, SERVICE)
