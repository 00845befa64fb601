"""How far each saga has come, kept in the database so that another process can take it on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shop.chassis.ports import Row, Transaction

RUNNING = "running"
COMPENSATING = "compensating"
COMPLETED = "completed"
COMPENSATED = "compensated"
FAILED = "failed"

# What could not be undone is tried again after a pause that doubles, for some twenty minutes;
# after that, somebody has to ask for it.
RECOVERIES = 8
FIRST_PAUSE_MS = 5_000
NEVER_MS = 2**60


class SagaLost(Exception):
    """Another process has taken this saga on; this one must not touch it any more."""


@dataclass(slots=True)
class SagaState:
    """One saga: `data` is what it was started with, `results` what its steps brought, and
    `compensations` what became of undoing them, each by the name of the step. All JSON.

    `status` is running, compensating, completed, compensated or failed. `failure` says in words
    what went wrong, `failure_code` for machines. `is_position_unsure`: the step at `position`
    may have taken effect though nobody saw it end. `recoveries` counts how often it was taken up
    again after its compensation had failed.
    """

    saga_id: str
    name: str
    data: Mapping[str, Any]
    status: str = RUNNING
    position: int = 0
    results: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    compensations: dict[str, str] = field(default_factory=dict)
    failure: str = ""
    failure_code: str = ""
    is_position_unsure: bool = False
    recoveries: int = 0
    traceparent: str = ""
    fence: int = 1


class SagaStore:
    """The table `sagas`. A process owns a saga by a lease, which every write renews; `owner` is
    its instance id, times are milliseconds since 1970."""

    def __init__(self, owner: str, lease_seconds: float) -> None:
        self._owner = owner
        self._lease_ms = int(lease_seconds * 1000)

    def insert(self, transaction: Transaction, state: SagaState, now_ms: int) -> None:
        transaction.execute(
            "INSERT INTO sagas (saga_id, name, status, position, state, traceparent, owner,"
            " fence, lease_unix_ms) VALUES (:saga_id, :name, :status, :position, :state,"
            " :traceparent, :owner, :fence, :lease)",
            saga_id=state.saga_id,
            name=state.name,
            status=state.status,
            position=state.position,
            state=_encoded(state),
            traceparent=state.traceparent,
            owner=self._owner,
            fence=state.fence,
            lease=now_ms + self._lease_ms,
        )

    def save(self, transaction: Transaction, state: SagaState, now_ms: int) -> None:
        """Raises `SagaLost` when somebody else owns the saga by now."""
        kept = transaction.execute(
            "UPDATE sagas SET status = :status, position = :position, state = :state,"
            " lease_unix_ms = :lease WHERE saga_id = :saga_id AND fence = :fence"
            " RETURNING saga_id",
            status=state.status,
            position=state.position,
            state=_encoded(state),
            lease=now_ms + (_pause_ms(state) if state.status == FAILED else self._lease_ms),
            saga_id=state.saga_id,
            fence=state.fence,
        )
        if not kept:
            raise SagaLost(f"saga {state.saga_id} was taken on by another process")

    def _load(self, transaction: Transaction, saga_id: str) -> SagaState | None:
        rows = transaction.execute("SELECT * FROM sagas WHERE saga_id = :saga_id", saga_id=saga_id)
        return _decoded(rows[0]) if rows else None

    def abandoned(self, transaction: Transaction, now_ms: int, *, of_owner: bool) -> list[str]:
        """Ids of the sagas to be taken up: unfinished ones whose lease has run out, failed ones
        whose pause is over, and with `of_owner` the unfinished ones of an earlier life of this
        very instance, which need not be waited for."""
        rows = transaction.execute(
            "SELECT saga_id FROM sagas WHERE status IN (:running, :compensating, :failed)"
            " AND (lease_unix_ms < :now OR (owner = :owner AND status <> :failed))"
            " ORDER BY lease_unix_ms",
            running=RUNNING,
            compensating=COMPENSATING,
            failed=FAILED,
            now=now_ms,
            owner=self._owner if of_owner else "",
        )
        return [row["saga_id"] for row in rows]

    def reopen_failed(self, transaction: Transaction) -> list[str]:
        """Let failed sagas be taken up at once, whatever their pause; their ids."""
        rows = transaction.execute(
            "UPDATE sagas SET lease_unix_ms = 0 WHERE status = :failed RETURNING saga_id",
            failed=FAILED,
        )
        return [row["saga_id"] for row in rows]

    def take(self, transaction: Transaction, saga_id: str, now_ms: int) -> SagaState | None:
        """Own a saga from now on; None when it has ended well or somebody else takes it."""
        before = self._load(transaction, saga_id)
        if before is None or before.status in (COMPLETED, COMPENSATED):
            return None
        rows = transaction.execute(
            "UPDATE sagas SET owner = :owner, fence = fence + 1, lease_unix_ms = :lease"
            " WHERE saga_id = :saga_id AND fence = :fence AND status = :status RETURNING *",
            owner=self._owner,
            lease=now_ms + self._lease_ms,
            saga_id=saga_id,
            fence=before.fence,
            status=before.status,
        )
        return _decoded(rows[0]) if rows else None


def _pause_ms(state: SagaState) -> int:
    return FIRST_PAUSE_MS * 2**state.recoveries if state.recoveries < RECOVERIES else NEVER_MS


def _encoded(state: SagaState) -> str:
    return json.dumps(
        {
            "data": state.data,
            "results": state.results,
            "compensations": state.compensations,
            "failure": state.failure,
            "failure_code": state.failure_code,
            "is_position_unsure": state.is_position_unsure,
            "recoveries": state.recoveries,
        },
        separators=(",", ":"),
    )


def _decoded(row: Row) -> SagaState:
    state = json.loads(row["state"])
    return SagaState(
        saga_id=row["saga_id"],
        name=row["name"],
        data=state["data"],
        status=row["status"],
        position=row["position"],
        results=state["results"],
        compensations=state["compensations"],
        failure=state["failure"],
        failure_code=state["failure_code"],
        is_position_unsure=state["is_position_unsure"],
        recoveries=state["recoveries"],
        traceparent=row["traceparent"],
        fence=row["fence"],
    )
