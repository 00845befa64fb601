"""Who somebody is: users are looked up, and a right password gives a session."""

from __future__ import annotations

import logging

from opentelemetry import trace

from shop.chassis.errors import NotFound, Unauthorized
from shop.chassis.ports import Database, Faults, Row
from shop.user.contract import Address, Credentials, Session, User
from shop.user.passwords import hashed, matches
from shop.user.tokens import Signer

FAULT_LOG_ERRORS = "user-log-errors"

_log = logging.getLogger("shop.user")

_COLUMNS = "user_id, email, name, tier, street, city, country"


class UserLogic:
    """Implements `contract.Users` over the table `users`."""

    def __init__(self, database: Database, faults: Faults, signer: Signer) -> None:
        self._database = database
        self._faults = faults
        self._signer = signer
        # Checked for addresses nobody has, so that the time of an answer does not betray them.
        self._nobodys_hash = hashed("nobody has this password")

    def login(self, credentials: Credentials) -> Session:
        """Raises `Unauthorized`, the same for an unknown address and a wrong password."""
        with self._database.transaction() as transaction:
            rows = transaction.execute(
                f"SELECT {_COLUMNS}, password_hash FROM users WHERE email = :email",
                email=credentials.email,
            )
        stored = str(rows[0]["password_hash"]) if rows else self._nobodys_hash
        if not matches(credentials.password, stored) or not rows:
            _log.warning("a login failed")
            raise Unauthorized("the e-mail address or the password is wrong")
        user = _user(rows[0])
        trace.get_current_span().set_attribute("user.id", user.user_id)
        _log.info("a user logged in", extra={"user.id": user.user_id})
        return self._signer.session(user)

    def user(self, user_id: str) -> User:
        """Raises `NotFound`."""
        trace.get_current_span().set_attribute("user.id", user_id)
        with self._database.transaction() as transaction:
            rows = transaction.execute(
                f"SELECT {_COLUMNS} FROM users WHERE user_id = :user_id", user_id=user_id
            )
        if not rows:
            raise NotFound(f"there is no user {user_id}")
        self._complain(user_id)
        return _user(rows[0])

    def _complain(self, user_id: str) -> None:
        """With `user-log-errors` on: a loop that tries to keep the profile in a cache which is
        not there, and logs every failure though the answer does not need it."""
        parameters = self._faults.active(FAULT_LOG_ERRORS)
        if parameters is None:
            return
        self._faults.acted(FAULT_LOG_ERRORS)
        for attempt in range(1, int(parameters["logs_per_request"]) + 1):
            _log.error(
                "profile cache refused a user at attempt %d: connection reset by peer",
                attempt,
                extra={"user.id": user_id},
            )


def _user(row: Row) -> User:
    return User(
        user_id=row["user_id"],
        email=row["email"],
        name=row["name"],
        tier=row["tier"],
        address=Address(street=row["street"], city=row["city"], country=row["country"]),
    )
