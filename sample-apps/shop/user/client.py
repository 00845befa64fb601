"""The client of user-service, for the services that call it."""

from __future__ import annotations

from shop.chassis.ports import Caller
from shop.chassis.replies import read_reply
from shop.user.contract import Credentials, Session, User

SERVICE = "user-service"


class UserClient:
    """Implements `contract.Users` over HTTP; raises `DependencyError`s beside its errors."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def login(self, credentials: Credentials) -> Session:
        """Raises `Unauthorized`."""
        response = self._caller.request("POST", "/v1/sessions", json=credentials.model_dump())
        return read_reply(response, Session, SERVICE)

    def user(self, user_id: str) -> User:
        """Raises `NotFound`."""
        response = self._caller.request("GET", "/v1/users/{user_id}", params={"user_id": user_id})
        return read_reply(response, User, SERVICE)
