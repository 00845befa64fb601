"""What a server kept of a run, asked of the server itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from longpole.cli.loadgen.run import Load
from longpole.model.signals import Signal

_NS = 1_000_000_000
# Made times begin up to a second before they are sent, and clocks of two machines differ.
_MARGIN_NS = 10 * _NS
_QUERY_SECONDS = 300.0
# Table, column of its time, and what tells one record from another.
_TABLES = {
    Signal.TRACES: ("spans", "start_unix_nano", "trace_id || span_id"),
    Signal.LOGS: ("logs", "time_unix_nano", "trace_id || span_id"),
}
_POINTS = ("metric_points", "time_unix_nano", "")


class Asks(Protocol):
    """A server, or whatever answers SQL over its views."""

    def sql(self, text: str, max_rows: int, timeout_seconds: float) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Stored:
    """Records found of a run. `lost` were acknowledged and are not there; `doubled` are there
    more than once. Requests that never got an answer may hide as many lost ones: `unsure`."""

    found: int
    lost: int
    doubled: int
    unsure: int

    def document(self) -> dict[str, int]:
        """The JSON of it."""
        return {
            "found": self.found, "lost": self.lost, "doubled": self.doubled, "unsure": self.unsure,
        }  # fmt: skip


def stored(load: Load, source: Asks, begin_unix_nano: int, end_unix_nano: int) -> Stored:
    """Count what is stored of a run that went on between these times. Records of other runs
    with the same prefix and at the same time would be taken for its own."""
    signal = load.plan.signal
    table, time_column, key = _TABLES.get(signal, _POINTS)
    # Metric points have no id: of them only the number can be compared.
    distinct = f"count(DISTINCT {key})" if key else "count(*)"
    prefix = load.plan.service_prefix.replace("'", "''")
    low, high = begin_unix_nano - _MARGIN_NS, end_unix_nano + _MARGIN_NS
    answer = source.sql(
        f"SELECT count(*), {distinct} FROM {table} WHERE starts_with(service_name, '{prefix}-') "
        f"AND {time_column} BETWEEN {low} AND {high}",
        1,
        _QUERY_SECONDS,
    )
    found, distinct_found = (int(value) for value in answer["rows"][0])
    acknowledged = load.acknowledged_records
    doubled = found - distinct_found if key else max(0, found - acknowledged)
    return Stored(
        found,
        max(0, acknowledged - distinct_found),
        doubled,
        len(load.unknown) * load.plan.batch,
    )
