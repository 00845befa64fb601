"""What storage promises a query language: whole traces in the model's own columns.

`WholeTraces` has attributes as text, which is enough for analysis. A language with types has to
know whether a value was sent as 200 or "200", on the span or on its resource.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa


class TraceTables(Protocol):
    """See `ports` for what holds of every method."""

    def trace_tables(self, trace_ids: Sequence[int]) -> Mapping[str, pa.Table]:
        """Everything of these traces in the tables of `telemetry.TABLES_OF_SIGNAL`, exact
        duplicates of spans removed; unknown ids are left out. `spans` is sorted by
        (trace_hi, trace_lo, row_id); resources and scopes stand once each."""
        ...

    def attribute_places(self) -> Mapping[tuple[str, str], str]:
        """The SQL type of every attribute key by where it occurs: ("span" or "resource" or
        "log", key). From a catalog, so that keys of expired data may be among them."""
        ...
