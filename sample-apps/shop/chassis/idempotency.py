"""Idempotency: the answer to a request is kept under its key, and asking again brings it again.

The key goes in before the work is done, in the same transaction: a second request with the same
key waits at the row until the first one has committed, and then reads its answer. When the first
one rolls back, its key goes with it and the second one does the work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, TypeVar, overload

from pydantic import BaseModel

from shop.chassis.errors import Conflict
from shop.chassis.ports import Transaction

M = TypeVar("M", bound=BaseModel)

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS idempotency_keys (
        operation TEXT NOT NULL,
        key TEXT NOT NULL,
        request TEXT NOT NULL,
        answer TEXT NOT NULL,
        PRIMARY KEY (operation, key)
    )""",
)


@overload
def remembered(
    transaction: Transaction,
    key: str,
    make: Callable[[], Any],
    *,
    operation: str = "",
    request: Any = None,
) -> Any: ...


@overload
def remembered(
    transaction: Transaction,
    key: str,
    make: Callable[[], M],
    *,
    model: type[M],
    operation: str = "",
    request: Any = None,
) -> M: ...


def remembered(
    transaction: Transaction,
    key: str,
    make: Callable[[], Any],
    *,
    model: type[BaseModel] | None = None,
    operation: str = "",
    request: Any = None,
) -> Any:
    """The answer that `make` gave for this key the first time: a JSON value, or with `model` one
    of its objects. `SCHEMA` has to be among the statements of the database.

    It should be the first thing in the transaction, so that nothing was read that the first
    request has changed by the time the second one gets its turn. `operation` keeps the keys of
    different operations apart where one database serves many. `request` (JSON or a model) is
    what was asked: another request under the same key raises `Conflict`. Without a key nothing
    is remembered. What `make` raises is not remembered either.
    """
    if not key:
        return make()
    print_of_request = _fingerprint(request)
    is_first = transaction.execute(
        "INSERT INTO idempotency_keys (operation, key, request, answer)"
        " VALUES (:operation, :key, :request, '')"
        " ON CONFLICT (operation, key) DO NOTHING RETURNING key",
        operation=operation,
        key=key,
        request=print_of_request,
    )
    if is_first:
        answer = make()
        transaction.execute(
            "UPDATE idempotency_keys SET answer = :answer"
            " WHERE operation = :operation AND key = :key",
            operation=operation,
            key=key,
            answer=_to_json(answer),
        )
        return answer
    (row,) = transaction.execute(
        "SELECT request, answer FROM idempotency_keys WHERE operation = :operation AND key = :key",
        operation=operation,
        key=key,
    )
    if row["request"] != print_of_request:
        raise Conflict(f"the idempotency key {key!r} was used for another request")
    return model.model_validate_json(row["answer"]) if model else json.loads(row["answer"])


def _to_json(value: Any) -> str:
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _fingerprint(request: Any) -> str:
    return "" if request is None else hashlib.sha256(_to_json(request).encode()).hexdigest()
