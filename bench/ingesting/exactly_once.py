"""Whether what was acknowledged lies in the segments exactly once, record by record.

Ids are mixtures of counters (`loadgen.mixing`), so each id found says which record it is of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from longpole.cli.loadgen.batches import TIME_BITS
from longpole.cli.loadgen.mixing import unmixed
from longpole.cli.loadgen.run import Load
from longpole.model.signals import Signal
from longpole.storage.data_dir import DataDir
from longpole.storage.duckdb.recovery import manifest_to_read

_KIND = {Signal.TRACES: "spans", Signal.LOGS: "logs", Signal.METRICS: "metrics"}
_COLUMN = {
    Signal.TRACES: ("spans", "span_id"),
    Signal.LOGS: ("logs", "span_id"),
    Signal.METRICS: ("metric_points", "time_unix_nano"),
}


@dataclass(frozen=True, slots=True)
class OnDisk:
    """What a stopped server left. `extra` are records that were stored without an answer that
    got through, which the protocol allows; bytes are of segments, by what is in them."""

    records: int
    lost: int
    doubled: int
    extra: int
    rows_by_kind: dict[str, int]
    bytes_by_kind: dict[str, int]


def on_disk(folder: Path, load: Load) -> OnDisk:
    """Read every segment that the manifest names."""
    manifest = manifest_to_read(DataDir(folder))
    try:
        entries = manifest.segments()
    finally:
        manifest.close()
    signal, batch = load.plan.signal, load.plan.batch
    rows: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for entry in entries:
        rows[entry.kind] = rows.get(entry.kind, 0) + entry.row_count
        sizes[entry.kind] = sizes.get(entry.kind, 0) + entry.byte_count
    files = [DataDir(folder).segments / e.file_name for e in entries if e.kind == _KIND[signal]]
    requests = max([*load.acknowledged, *load.unknown], default=-1) + 1
    counted = np.zeros(requests if signal is Signal.METRICS else requests * batch, np.int32)
    for values in _columns(files, *_COLUMN[signal]):
        if signal is Signal.METRICS:
            places = values & np.uint64((1 << TIME_BITS) - 1)
        else:
            places = unmixed(values) - np.uint64(load.plan.id_base)
        own = places[places < np.uint64(len(counted))].astype(np.int64)
        counted += np.bincount(own, minlength=len(counted)).astype(np.int32)
    expected = np.zeros(requests, np.int32)
    expected[sorted(load.acknowledged)] = 1
    if signal is Signal.METRICS:
        expected *= batch
    else:
        expected = np.repeat(expected, batch)
    most = np.int32(batch if signal is Signal.METRICS else 1)
    return OnDisk(
        int(counted.sum()),
        int(np.maximum(expected - counted, 0).sum()),
        int(np.maximum(counted - most, 0).sum()),
        int(np.minimum(counted, most)[expected == 0].sum()),
        rows,
        sizes,
    )


def _columns(files: list[Path], table: str, column: str) -> Iterator[npt.NDArray[np.uint64]]:
    for file in files:
        with duckdb.connect(str(file), read_only=True) as connection:
            found: Any = connection.execute(f"SELECT {column} FROM {table}").fetchnumpy()[column]
            yield np.ma.getdata(found).astype(np.uint64)
