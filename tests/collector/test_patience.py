"""A store that is behind for a moment costs a moment, not a refusal."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

import pytest

from longpole.model.telemetry import Telemetry
from longpole.storage.ports import Overloaded, Receipt
from tests.collector import messages
from tests.collector.serving import Sink, serve


@dataclass
class Behind(Sink):
    """Refuses so many times, then takes."""

    refusals: int = 0
    reason: str = "overloaded"

    def submit(self, telemetry: Telemetry, arrival_unix_nano: int) -> Future[Receipt]:
        if self.refusals:
            self.refusals -= 1
            self.failure: Exception | None = Overloaded("late", reason=self.reason)
        else:
            self.failure = None
        return super().submit(telemetry, arrival_unix_nano)


def test_a_store_that_catches_up_in_time_takes_the_request() -> None:
    with serve(Behind(refusals=2), admission_wait_seconds=20.0) as server:
        assert server.post(messages.traces().SerializeToString()).status_code == 200
        assert len(server.sink.kept) == 1


@pytest.mark.parametrize("reason", ["overloaded", "unsealed", "unexplained"])
def test_a_refusal_is_counted_by_its_reason(reason: str) -> None:
    with serve(Behind(refusals=10**6, reason=reason), admission_wait_seconds=0.0) as server:
        answer = server.post(messages.traces().SerializeToString())
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert not server.sink.kept
        refused = "longpole_collector_refusals_total"
        assert server.metric(refused, transport="http", reason=reason) == 1
