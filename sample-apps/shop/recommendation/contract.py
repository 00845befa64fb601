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


BESTSELLERS = (
    Recommendation(sku="sku-1", name="Copper Chair", score=0.5),
    Recommendation(sku="sku-2", name="Linen Kettle", score=0.4),
    Recommendation(sku="sku-3", name="Glass Blanket", score=0.3),
    Recommendation(sku="sku-4", name="Wool Clock", score=0.2),
    Recommendation(sku="sku-5", name="Oak Shelf", score=0.1),
)
"""What everybody gets when nothing better can be had, known without asking anyone."""
