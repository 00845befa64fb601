"""Who gets in."""

from __future__ import annotations

import base64
import json
import time

import httpx
import jwt
import pytest

from shop.chassis.errors import Unauthorized
from shop.gateway.tokens import Verifier, Visitor
from shop.user.contract import Address, User
from shop.user.tokens import Signer
from tests.shop.gateway.door import SECRET, bearer, token


def _unsigned() -> str:
    def part(said: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")

    claims = {"sub": "user-1", "tier": "gold", "iat": 1, "exp": int(time.time()) + 60}
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


BAD = {
    "no header": "",
    "another scheme": "Basic dXNlci0xOnB3",
    "no token": "Bearer ",
    "nonsense": "Bearer a.b.c",
    "no algorithm": f"Bearer {_unsigned()}",
    "another algorithm": "Bearer "
    + jwt.encode(
        {"sub": "user-1", "tier": "gold", "iat": 1, "exp": int(time.time()) + 60},
        SECRET * 2,
        algorithm="HS512",
    ),
    "another secret": "Bearer "
    + jwt.encode(
        {"sub": "user-1", "tier": "gold", "iat": 1, "exp": int(time.time()) + 60},
        SECRET[::-1],
        algorithm="HS256",
    ),
    "out of date": f"Bearer {token(exp=int(time.time()) - 1)}",
    "for ever": f"Bearer {token(exp=None)}",
    "nobody's": f"Bearer {token(sub=None)}",
    "without a tier": f"Bearer {token(tier=None)}",
}


@pytest.mark.parametrize("authorization", BAD.values(), ids=BAD.keys())
def test_a_token_that_is_not_quite_right_is_not_believed(authorization: str) -> None:
    with pytest.raises(Unauthorized):
        Verifier(SECRET).visitor(authorization)


def test_the_gateway_believes_what_user_service_signs() -> None:
    address = Address(street="s", city="c", country="DE")
    user = User(user_id="user-7", email="e", name="n", tier="gold", address=address)
    session = Signer(SECRET, time.time).session(user)
    assert Verifier(SECRET).visitor(f"bearer {session.token}") == Visitor("user-7", "gold")


def test_without_a_proper_secret_nobody_gets_in_and_the_gateway_is_not_ready() -> None:
    short = "too short"
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        forged = jwt.encode(
            {"sub": "user-1", "tier": "gold", "iat": 1, "exp": int(time.time()) + 60}, short
        )
    assert "SHOP_JWT_SECRET" in Verifier(short).missing()
    assert Verifier(SECRET).missing() == ""
    with pytest.raises(Unauthorized):
        Verifier(short).visitor(f"Bearer {forged}")


def test_every_route_but_login_needs_a_token(door: httpx.Client) -> None:
    contract = door.get("/openapi.json").json()
    asked = 0
    for path, methods in contract["paths"].items():
        for method in methods:
            if not path.startswith("/api/") or path == "/api/v1/login":
                continue
            answer = door.request(method, path.replace("{", "").replace("}", ""))
            asked += 1
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"] == "Bearer"
    assert asked == 8
    login = {"email": "user-1@shop.example", "password": "right"}
    assert door.post("/api/v1/login", json=login).json()["user_id"] == "user-1"


def test_what_is_not_there_is_told_only_to_visitors(door: httpx.Client) -> None:
    assert door.get("/api/v1/secrets").status_code == 401
    assert door.get("/api/v1/secrets", headers=bearer()).status_code == 404
    # Not the open route, though it looks like it to somebody.
    assert door.get("/api/v1/login").status_code == 401
    assert door.post("/api/v1/login/", json={}).status_code == 401
