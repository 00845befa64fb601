"""The contract of the gateway: the pages it puts together itself."""

from __future__ import annotations

from pydantic import BaseModel

from shop.inventory.contract import Product
from shop.order.contract import Order
from shop.recommendation.contract import RecommendationList
from shop.user.contract import User


class Home(BaseModel):
    """The home page. `fallbacks` names the parts whose service had no answer, in order: `user` is
    then absent, `orders` empty, `recommendations` and `products` what was last known."""

    user: User | None
    recommendations: RecommendationList
    orders: list[Order]
    products: list[Product]
    fallbacks: list[str] = []
