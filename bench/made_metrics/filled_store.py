"""A store with a fleet's samples: one request is decoded, and holds every later time with its own
numbers. What is stored is what so many requests would have left; decoding them all would take
longer than everything that is measured.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from bench.made_metrics.fleet import Fleet
from bench.made_metrics.otlp_bodies import bodies

from longpole.formats import otlp
from longpole.model.clock import SystemClock
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings

_MS = 1_000_000
# Points of a segment, as the server seals them.
_SEAL_ROWS = 1_000_000


def fill(folder: Path, fleet: Fleet, steps_at_once: int) -> None:
    """Sealed and compacted; `fleet.size` is a multiple of `steps_at_once`."""
    assert fleet.size % steps_at_once == 0
    clock = SystemClock()
    store = DuckDBStore.open(StoreSettings(data_dir=folder), clock)
    try:
        store.load()
        first = otlp.decode(Signal.METRICS, next(bodies(fleet, steps_at_once, fleet.instances)))
        rows = 0
        for begin in range(0, fleet.size, steps_at_once):
            request = _moved(first, fleet, slice(begin, begin + steps_at_once))
            store.submit(request, clock.now_unix_nano()).result()
            rows += request.accepted
            if rows >= _SEAL_ROWS:
                store.seal()
                rows = 0
        store.seal()
        before = -1
        while before != store.status().segment_count:
            before = store.status().segment_count
            store.tick()
    finally:
        store.close()


def _moved(first: Telemetry, fleet: Fleet, part: slice) -> Telemetry:
    """The first request with the numbers of another part of the time: for each instance the
    counters by route, then the histogram, each by time."""
    rows = first.tables["metric_points"].combine_chunks()
    size = part.stop - part.start
    each = len(fleet.made[0].calls)
    shape = (fleet.instances, each + 1, size)
    starts = np.stack([one.starts_ms[part] for one in fleet.made]) * _MS
    values, counts, sums = np.zeros(shape), np.zeros(shape, np.uint64), np.zeros(shape)
    buckets = []
    for place, one in enumerate(fleet.made):
        values[place, :each] = one.calls[:, part]
        held = one.buckets[:, part].astype(np.uint64)
        counts[place, each] = held.sum(axis=0)
        sums[place, each] = one.sums[part]
        buckets.append(held.T.ravel())
    is_number = np.zeros(shape, bool)
    is_number[:, :each] = True
    lists = rows.column("bucket_counts").chunk(0)
    given = {
        "start_unix_nano": pa.array(np.broadcast_to(starts[:, None], shape).ravel()),
        "time_unix_nano": pa.array(np.broadcast_to(fleet.times_ms[part] * _MS, shape).ravel()),
        "value_double": pa.array(values.ravel(), mask=~is_number.ravel()),
        "count": pa.array(counts.ravel(), mask=is_number.ravel()),
        "sum": pa.array(sums.ravel(), mask=is_number.ravel()),
        "bucket_counts": pa.ListArray.from_arrays(
            lists.offsets, pa.array(np.concatenate(buckets)), mask=lists.is_null()
        ),
    }
    for name, column in given.items():
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(name), column)
    # Its bytes are never read again, but equal ones would be taken for a retry.
    body = b"part %d" % part.start
    return replace(first, tables={**first.tables, "metric_points": rows}, body=body)
