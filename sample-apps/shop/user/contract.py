"""The contract of user-service: who somebody is, and proof of it."""

from __future__ import annotations

from typing import Protocol

from pydantic import BaseModel

from shop.identifiers import EmailAddress, Secret, Text


class Address(BaseModel):
    street: Text
    city: Text
    country: Text


class User(BaseModel):
    user_id: str
    email: str
    name: str
    tier: str  # standard, gold
    address: Address


class Credentials(BaseModel):
    email: EmailAddress
    password: Secret


class Session(BaseModel):
    """`token` is a JWT (HS256) with the claims sub, tier, iat, exp."""

    token: str
    user_id: str
    expires_unix: int


class Users(Protocol):
    """People."""

    def login(self, credentials: Credentials) -> Session:
        """Raises `Unauthorized`, the same for an unknown address and a wrong password."""
        ...

    def user(self, user_id: str) -> User:
        """Raises `NotFound`."""
        ...
