"""The HTTP interface of user-service."""

from __future__ import annotations

from fastapi import APIRouter

from shop.identifiers import PathName
from shop.user.contract import Credentials, Session, User, Users


def api(logic: Users) -> APIRouter:
    """`POST /v1/sessions` and `GET /v1/users/{user_id}`."""
    router = APIRouter(prefix="/v1", tags=["users"])

    @router.post("/sessions", status_code=201)
    def login(credentials: Credentials) -> Session:
        """Prove who you are."""
        return logic.login(credentials)

    @router.get("/users/{user_id}")
    def user(user_id: PathName) -> User:
        """Who somebody is."""
        return logic.user(user_id)

    return router
