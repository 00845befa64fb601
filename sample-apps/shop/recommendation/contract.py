"""The contract of recommendation-service: what somebody may like."""

from __future__ import annotations

from typing import Protocol

from pydantic import BaseModel


class Recommendation(BaseModel):
    sku: str
    name: str
    score: float


class RecommendationList(BaseModel):
    """`is_fallback`: the bestsellers everybody gets when nothing better can be had."""

    items: list[Recommendation]
    model: str
    is_fallback: bool = False


class Recommendations(Protocol):
    """Recommendations."""

    def for_user(self, user_id: str, limit: int) -> RecommendationList:
        """Best first."""
        ...
