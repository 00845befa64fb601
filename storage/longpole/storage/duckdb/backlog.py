"""The backlog: what was acknowledged and still has work before it. It is bounded, since memory is.

What waits to be sealed lies in memory as rows; what waits to be explained takes an entry a trace.
Sealing or settling that cannot keep up with what comes in makes new requests wait, not memory grow.
"""

from __future__ import annotations

from longpole.storage.duckdb.settings import StoreSettings
from longpole.storage.duckdb.state import EngineState
from longpole.storage.receipt import Overloaded

# One that is being written, one that fills up meanwhile, one for the time between.
_SEALS = 3


def backlog(settings: StoreSettings, state: EngineState) -> Overloaded | None:
    """What to refuse a request with, or None when there is room. Takes no lock: a moment's error
    of the counts is no harm. Rows that are replayed are no new ones and do not count."""
    hot = state.hot
    frozen = hot.frozen
    rows = hot.live.rows + (frozen.rows if frozen is not None else 0)
    byte_count = hot.live.byte_count + (frozen.byte_count if frozen is not None else 0)
    most_rows = max(settings.max_unsealed_rows, _SEALS * settings.seal_rows)
    most_bytes = max(settings.max_unsealed_bytes, _SEALS * settings.seal_bytes)
    if rows >= most_rows or byte_count >= most_bytes:
        return Overloaded(
            f"{rows:,} rows of {byte_count >> 20} MiB wait to be sealed, which is as much as may "
            "wait; nothing of the request was kept. Send it again in a second.",
            reason="unsealed",
        )
    if len(state.queue) >= settings.max_pending_traces:
        return Overloaded(
            f"{len(state.queue):,} traces wait to be explained, which is as many as may wait; "
            "nothing of the request was kept. Send it again in a second.",
            reason="unexplained",
        )
    return None
