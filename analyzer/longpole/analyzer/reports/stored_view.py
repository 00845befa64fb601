"""Stored views: the view of a big trace as bytes, made when the trace settles.

"LPV1" | u32 length of the header | header (JSON) | arrays one after the other, Zstandard

Working a view out takes seconds for a hundred thousand spans, reading one a tenth of a second.
It holds everything but the logs, which go on arriving; what follows from times and the tree is
left out, and every array takes the fewest bytes that hold its numbers. A view is only good for who
would work out the same one: `made_with` tells the code and its settings apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, astuple, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import longpole.analyzer
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.reports.trace_columns.axis import Axis
from longpole.analyzer.reports.trace_columns.columns import (
    UNTIMED,
    BottleneckRow,
    GapRow,
    TraceColumns,
    drawn,
)
from longpole.analyzer.reports.trace_columns.groups import Group, GroupKind
from longpole.analyzer.reports.trace_columns.log_marks import with_logs
from longpole.analyzer.reports.trace_columns.preorder import Preorder
from longpole.analyzer.reports.trace_view import TraceView
from longpole.storage.ports import TraceReader, TraceVersion

Array = npt.NDArray[Any]

MAGIC = b"LPV1"
_ORDER = ("indices", "parents", "depths", "subtrees")
_EXACT = ("span_ids", "starts_ns", "durations_ns", "self_ns", "critical_ns", "shifts_ns",
          "sources", "bounds_ns")  # fmt: skip
_NARROW = (np.uint8, np.uint16, np.uint32, np.int32)
_CODEC = "zstd"


def made_with(options: PathOptions, thresholds: Thresholds) -> str:
    """What a view was made with: another release, or other settings, say another word."""
    settings = repr((asdict(options), asdict(thresholds)))
    return hashlib.sha256(f"{_code()} {settings}".encode()).hexdigest()


@cache
def _code() -> str:
    """The analyzer's own text, so that nobody has to remember to count a version up."""
    digest = hashlib.sha256()
    for folder in longpole.analyzer.__path__:
        for path in sorted(Path(folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def packed_view(view: TraceView, maker: str) -> bytes:
    """The view as bytes, without its logs and their marks (it must have none yet)."""
    columns = view.columns
    arrays = [
        *((f"order.{name}", getattr(columns.order, name)) for name in _ORDER),
        *((name, getattr(columns, name)) for name in _EXACT),
        *((f"drawn.{name}", columns.arrays[name]) for name in UNTIMED),
    ]
    narrow = [(name, str(values.dtype), _narrow(values)) for name, values in arrays]
    body = b"".join(values.tobytes() for _, _, values in narrow)
    header = {
        "made_with": maker,
        "bytes": len(body),
        "arrays": [(name, wide, values.dtype.str, values.size) for name, wide, values in narrow],
        "trace_id": f"{columns.trace_id:032x}",
        "axis": astuple(columns.axis),
        "root": columns.root,
        "services": list(columns.services),
        "operations": list(columns.operations),
        "groups": [astuple(group) for group in columns.groups],
        "gaps": [astuple(gap) for gap in columns.gaps],
        "opened": list(columns.opened),
        "bottlenecks": [astuple(row) for row in columns.bottlenecks],
        "root_ns": (columns.root_start_ns, columns.root_end_ns),
        "summary": view.summary,
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    packed: bytes = pa.compress(body, codec=_CODEC, asbytes=True)
    return b"".join((MAGIC, len(text).to_bytes(4, "little"), text, packed))


def _narrow(values: Array) -> Array:
    """The same numbers in as few bytes as hold all of them, little endian."""
    if values.size:
        least, most = int(values.min()), int(values.max())
        for kind in _NARROW:
            own = np.iinfo(kind)
            if least >= own.min and most <= own.max:
                return values.astype(np.dtype(kind).newbyteorder("<"))
    return values.astype(values.dtype.newbyteorder("<"), copy=False)


def stored_view(
    reader: TraceReader,
    trace_id: int,
    state: TraceVersion,
    options: PathOptions,
    thresholds: Thresholds,
) -> TraceView | None:
    """The view that was stored when the trace settled in that state; None when there is none that
    was made with this code, these options and thresholds."""
    if not state.is_settled:
        return None
    packed = reader.view_of_trace(trace_id, state.revision)
    if packed is None:
        return None
    view = unpacked_view(packed, made_with(options, thresholds), state)
    # A trace may come back under its old id, and begin to count its revisions anew, after all of it
    # had expired: a view of more spans than there are is of its former life.
    if view is None or view.columns.span_ids.size > state.span_rows:
        return None
    logs = reader.logs_of_trace(trace_id)
    return replace(view, columns=with_logs(view.columns, logs), logs=logs)


def unpacked_view(packed: bytes, maker: str, state: TraceVersion) -> TraceView | None:
    """What `packed_view` got, for a trace in that state; None when it was made with something
    else or in another format."""
    if packed[:4] != MAGIC:
        return None
    begin = 8 + int.from_bytes(packed[4:8], "little")
    header = json.loads(packed[8:begin])
    if header["made_with"] != maker:
        return None
    body = pa.decompress(memoryview(packed)[begin:], header["bytes"], codec=_CODEC)
    arrays: dict[str, Array] = {}
    offset = 0
    for name, wide, narrow, size in header["arrays"]:
        values: Array = np.frombuffer(body, np.dtype(narrow), size, offset)
        offset += values.nbytes
        arrays[name] = values.astype(np.dtype(wide))
    summary = header["summary"]
    summary["completeness"] |= {"settled": state.is_settled, "revision": state.revision}
    return TraceView(state, _columns(header, arrays), summary, ())


def _columns(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> TraceColumns:
    indices = arrays["order.indices"]
    rows = np.empty_like(indices)
    rows[indices] = np.arange(indices.size)
    order = Preorder(indices, rows, *(arrays[f"order.{name}"] for name in _ORDER[1:]))
    axis = Axis(*header["axis"])
    exact = {name: arrays[name] for name in _EXACT}
    begin, end = header["root_ns"]
    return TraceColumns(
        trace_id=int(header["trace_id"], 16),
        axis=axis,
        order=order,
        root=header["root"],
        services=header["services"],
        operations=[(name, service) for name, service in header["operations"]],
        **exact,
        arrays=drawn(
            axis, order, exact["starts_ns"], exact["durations_ns"], exact["self_ns"],
            exact["critical_ns"], exact["bounds_ns"],
            {name: arrays[f"drawn.{name}"] for name in UNTIMED},
        ),
        groups=[Group(parent, GroupKind(kind), *rest) for parent, kind, *rest in header["groups"]],
        gaps=[GapRow(*gap) for gap in header["gaps"]],
        opened=header["opened"],
        bottlenecks=[BottleneckRow(*row) for row in header["bottlenecks"]],
        root_start_ns=begin,
        root_end_ns=end,
    )  # fmt: skip
