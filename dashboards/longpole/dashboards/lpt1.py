"""LPT1: the columns of a trace as bytes, the format of `docs/trace-columns.md`.

"LPT1" | u32 length of the header | header (JSON, padded with blanks) | arrays, each at a
multiple of 8 from the start of the body; everything little endian
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from longpole.analyzer.reports.trace_columns.columns import KINDS, LABELS, TraceColumns
from longpole.dashboards.inert_text import inert
from longpole.dashboards.service_colours import colour_index, is_hatched
from longpole.dashboards.sql_rows import encoded

MEDIA_TYPE = "application/vnd.longpole.trace-columns"
MAGIC = b"LPT1"
_ALIGNED = 8
LONGEST_TEXT = 1_000  # characters of a name or a reason; the report and the panel have all of it
_TYPES = {"u1": "u8", "u2": "u16", "u4": "u32", "i4": "i32", "u8": "u64"}


def encoded_columns(
    columns: TraceColumns,
    facts: Mapping[str, Any],
    numbers: Mapping[str, int],
    selected: int = -1,
) -> bytes:
    """The whole document. `facts` go into the header as they are (revision, settled, problems,
    completeness); `numbers` are those of `TraceReader.service_colours`; `selected` is the row that
    is selected at first, -1 for that of the verdict."""
    axis = columns.axis
    arrays = [(name, _little(values)) for name, values in columns.arrays.items()]
    listed, offset = [], 0
    for name, values in arrays:
        listed.append(
            {
                "name": name,
                "type": _TYPES[values.dtype.str[1:]],
                "offset": offset,
                "length": values.size,
            }
        )
        offset += _padded(values.nbytes)
    if selected < 0:
        selected = columns.bottlenecks[0].row if columns.bottlenecks else max(columns.root, 0)
    header = {
        "version": 1,
        "trace_id": f"{columns.trace_id:032x}",
        **facts,
        "span_count": columns.span_ids.size,
        "start_unix_nano": str(axis.begin),
        "duration_ns": str(columns.root_end_ns - columns.root_start_ns),
        "tick_ns": axis.tick_ns,
        "extent_ticks": axis.length_ns // axis.tick_ns,
        "root_start_ticks": columns.root_start_ns // axis.tick_ns,
        "root_end_ticks": columns.root_end_ns // axis.tick_ns,
        "services": [
            {
                "name": _shown(service),
                "colour": colour_index(service, numbers),
                "hatched": is_hatched(service, numbers),
            }
            for service in columns.services
        ],
        "operations": [
            {"name": _shown(name), "service": code} for name, code in columns.operations
        ],
        "kinds": KINDS,
        "labels": LABELS,
        "groups": [
            {
                "parent": g.parent, "kind": str(g.kind), "label": _shown(g.label), "count": g.count,
                "total_ns": g.total_ns, "mean_ns": g.mean_ns, "max_ns": g.max_ns,
                "order": g.order, "first_row": g.first_row,
            }
            for g in columns.groups
        ],
        "gaps": [
            {
                "parent": gap.parent,
                "start": gap.start_ns // axis.tick_ns,
                "end": gap.end_ns // axis.tick_ns,
                "ns": gap.end_ns - gap.start_ns,
                "where": _shown(gap.where),
                "network": gap.is_network,
            }
            for gap in columns.gaps
        ],
        "open": list(columns.opened),
        "selected": selected,
        "bottlenecks": [
            {"row": b.row, "ns": b.ns, "share": b.share, "reason": _shown(b.reason)}
            for b in columns.bottlenecks
        ],
        "arrays": listed,
    }  # fmt: skip
    text = encoded(header)
    text += b" " * (_padded(len(text)) - len(text))
    parts = [MAGIC, len(text).to_bytes(4, "little"), text]
    for _, values in arrays:
        parts += [values.tobytes(), bytes(_padded(values.nbytes) - values.nbytes)]
    return b"".join(parts)


def encoded_ids(columns: TraceColumns) -> bytes:
    """The span ids in the order of the rows, 8 bytes each."""
    return _little(columns.span_ids).tobytes()


def _little(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False))


def _shown(text: str) -> str:
    return inert(text[:LONGEST_TEXT])


def _padded(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
