"""Users: who they are, how they prove it, and the noise they can make in the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from shop.chassis.errors import NotFound, ShopError, Unauthorized
from shop.user.client import UserClient
from shop.user.contract import Address, Credentials, User, Users
from shop.user.passwords import hashed, matches
from shop.user.seed import seed_users
from shop.user.service import build
from shop.user.tables import SCHEMA
from shop.user.tokens import Signer
from tests.shop.gateway.recorded import Recorded, attributes, recorded
from tests.shop.inventory.stage import Stage, staged

SECRET = "a secret of thirty-two bytes or more"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


@pytest.fixture
def spans() -> Iterator[Recorded]:
    with recorded() as seen:
        yield seen


@pytest.fixture
def users(stage: Stage) -> Users:
    stage.start(build, "user-service", jwt_secret=SECRET)
    return UserClient(stage.caller("user-service"))


def _login(number: int, password: str = "") -> Credentials:
    email = f"user-{number}@shop.example"
    return Credentials(email=email, password=password or f"user-{number}-password")


def test_a_password_is_kept_as_a_hash_that_differs_every_time() -> None:
    first, second = hashed("secret", cost=16), hashed("secret", cost=16)
    assert first != second
    assert "secret" not in first
    assert matches("secret", first)
    assert matches("secret", second)
    assert not matches("Secret", first)


def test_an_older_cheaper_hash_stays_valid_when_the_cost_is_raised() -> None:
    assert matches("secret", hashed("secret", cost=16))
    assert matches("secret", hashed("secret", cost=1024))


def test_a_hash_of_another_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="md5"):
        matches("secret", "md5$1$c2FsdA==$a2V5")


def test_every_seeded_user_can_log_in_and_be_found(users: Users) -> None:
    for number in (1, 5, 50):
        session = users.login(_login(number))
        claims = jwt.decode(session.token, SECRET, algorithms=["HS256"])
        assert claims["sub"] == session.user_id == f"user-{number}"
        assert claims["exp"] == session.expires_unix == claims["iat"] + 3600
        user = users.user(session.user_id)
        assert user.email == f"user-{number}@shop.example"
        assert user.tier == claims["tier"] == ("gold" if number % 5 == 0 else "standard")
        assert user.address.country


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(users: Users) -> None:
    answers = []
    for credentials in (_login(1, "wrong"), _login(99)):
        with pytest.raises(Unauthorized) as refusal:
            users.login(credentials)
        answers.append(str(refusal.value))
    assert answers[0] == answers[1]


def test_an_unknown_user_is_not_found_even_with_an_odd_id(users: Users) -> None:
    for user_id in ("user-99", "user 1", "ünknown", "a?b=c"):
        with pytest.raises(NotFound):
            users.user(user_id)


def test_seeding_again_changes_nothing(stage: Stage, users: Users) -> None:
    before = users.user("user-7")
    database = stage.chassis("user-service").database(SCHEMA)
    with database.transaction() as transaction:
        (first,) = transaction.execute("SELECT password_hash FROM users WHERE user_id = 'user-7'")
        transaction.execute("DELETE FROM users WHERE user_id = 'user-8'")
    seed_users(database)
    with database.transaction() as transaction:
        (second,) = transaction.execute("SELECT password_hash FROM users WHERE user_id = 'user-7'")
        (count,) = transaction.execute("SELECT count(*) AS users FROM users")
    database.close()
    assert first == second
    assert count["users"] == 50
    assert users.user("user-7") == before


def test_a_request_is_one_server_span_over_one_query(users: Users, spans: Recorded) -> None:
    users.user("user-3")
    (server,) = spans.wait("GET /v1/users/{user_id}", 2)[:1]
    both = spans.named("GET /v1/users/{user_id}")
    names = [span.name for span in spans.trace_of(server)]
    assert names == ["GET /v1/users/{user_id}", "GET /v1/users/{user_id}", "SELECT users"]
    assert {span.kind.name for span in both} == {"CLIENT", "SERVER"}
    (query,) = spans.named("SELECT users")
    assert attributes(query)["db.namespace"] == "user"
    assert any(attributes(span).get("user.id") == "user-3" for span in both)


def test_without_a_secret_no_session_is_signed() -> None:
    address = Address(street="s", city="c", country="DE")
    user = User(user_id="user-1", email="e", name="n", tier="gold", address=address)
    with pytest.raises(ShopError, match="SHOP_JWT_SECRET"):
        Signer("", lambda: 0.0).session(user)


def test_the_log_is_flooded_while_the_answers_stay_right(
    stage: Stage, users: Users, caplog: pytest.LogCaptureFixture
) -> None:
    def errors() -> list[logging.LogRecord]:
        return [each for each in caplog.records if each.levelno == logging.ERROR]

    quiet = users.user("user-1")
    assert errors() == []
    stage.break_it("user-log-errors")
    assert users.user("user-1") == quiet
    assert len(errors()) == 20
    assert all("profile cache refused a user" in line.getMessage() for line in errors())
    assert {vars(line)["user.id"] for line in errors()} == {"user-1"}
    stage.mend()
    users.user("user-1")
    assert len(errors()) == 20


def test_the_lines_of_a_login_differ_only_in_an_attribute(
    users: Users, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "shop.user")
    for number in (1, 2):
        users.login(
            Credentials(email=f"user-{number}@shop.example", password=f"user-{number}-password")
        )
    lines = [each for each in caplog.records if each.name == "shop.user"]
    assert {line.getMessage() for line in lines} == {"a user logged in"}
    assert [vars(line)["user.id"] for line in lines] == ["user-1", "user-2"]
