"""The people of the shop: fifty of them, written to an empty database at the first start."""

from __future__ import annotations

from opentelemetry.instrumentation.utils import suppress_instrumentation

from shop.chassis.ports import Database
from shop.user.passwords import hashed

USERS = 50
GOLD_EVERY = 5

_NAMES = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Leslie", "Tony", "Radia", "Ken")
_CITIES = ("Berlin", "Wien", "Zürich", "Paris", "Madrid")
_COUNTRIES = ("DE", "AT", "CH", "FR", "ES")
_COLUMNS = ("user_id", "email", "name", "tier", "street", "city", "country", "password_hash")


def seed_users(database: Database) -> None:
    """Write `user-1` … `user-50`, each with the password `user-N-password`, unless they are there.
    Instances that start together may both try; the first one wins."""
    # What happens before the first request belongs to no trace.
    with suppress_instrumentation():
        with database.transaction() as transaction:
            (known,) = transaction.execute("SELECT count(*) AS users FROM users")
        if known["users"] >= USERS:
            return
        # Hashing takes a while, so it is not done while a connection is held.
        people = [_person(number) for number in range(1, USERS + 1)]
        rows = ", ".join(
            "(" + ", ".join(f":{column}_{row}" for column in _COLUMNS) + ")"
            for row in range(len(people))
        )
        values = {
            f"{column}_{row}": person[column]
            for row, person in enumerate(people)
            for column in _COLUMNS
        }
        with database.transaction() as transaction:
            transaction.execute(
                f"INSERT INTO users ({', '.join(_COLUMNS)}) VALUES {rows} "
                "ON CONFLICT (user_id) DO NOTHING",
                **values,
            )


def _person(number: int) -> dict[str, str]:
    user_id = f"user-{number}"
    place = number % len(_CITIES)
    return {
        "user_id": user_id,
        "email": f"{user_id}@shop.example",
        "name": f"{_NAMES[number % len(_NAMES)]} {number}",
        "tier": "gold" if number % GOLD_EVERY == 0 else "standard",
        "street": f"Long Street {number}",
        "city": _CITIES[place],
        "country": _COUNTRIES[place],
        "password_hash": hashed(f"{user_id}-password"),
    }
