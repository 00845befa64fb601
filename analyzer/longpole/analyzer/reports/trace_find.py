"""Find in a trace: the rows whose spans fit every word of a question.

    timeout              a part of a name, of a service, of a kind or of a value
    name:cart            the same of the name only; service:, kind: likewise
    status:error         also is:error, is:critical, is:exception, is:async
    >100ms  <=2s         how long the span takes
    http.route=/cart     the value of an attribute of the span or its resource; attr:key=value
                         where the key has no dot

Upper and lower case are alike, quotes keep blanks together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES
from longpole.analyzer.reports.trace_columns.columns import (
    ASYNC,
    ERROR,
    HAS_EXCEPTION,
    KINDS,
    TraceColumns,
)
from longpole.storage.ports import TraceReader

Found = npt.NDArray[np.bool_]

_WORD = re.compile(r'((?:[^\s"]|"[^"]*")+)')
_DURATION = re.compile(r"(>=|<=|>|<)(\d+(?:\.\d+)?)(ns|us|µs|ms|s|min|m|h)")
_FIELD = re.compile(r"(name|service|kind|is|status):(.+)", re.DOTALL)
_PAIR = re.compile(r"(attr:)?([^=\s]+)=(.*)", re.DOTALL)
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9,
          "min": 60 * 10**9, "h": 3600 * 10**9}  # fmt: skip
_FLAGS = {"error": ERROR, "exception": HAS_EXCEPTION, "async": ASYNC}
# Looking for a word in every value of a big trace takes seconds: then only where it is likeliest.
MOST_VALUES = 4_000_000
MOST_WORDS = 20


def find_rows(reader: TraceReader, columns: TraceColumns, question: str) -> Found:
    """By row whether the span fits; nothing does when there is no word."""
    words = [word.replace('"', "") for word in _WORD.findall(question)][:MOST_WORDS]
    found = np.full(columns.span_ids.size, bool(words), np.bool_)
    for word in words:
        if found.any():
            found &= _fits(reader, columns, word)
    return found


def _fits(reader: TraceReader, columns: TraceColumns, word: str) -> Found:
    lower = word.lower()
    length = _DURATION.fullmatch(lower)
    if length:
        return _longer(columns, length[1], float(length[2]) * _UNITS[length[3]])
    field = _FIELD.fullmatch(lower)
    if field and field[1] in ("is", "status"):
        if field[2] == "critical":
            return columns.critical_ns > 0
        return columns.arrays["flags"] & _FLAGS.get(field[2], 0) > 0
    if field:
        return _named(columns, field[1], field[2])
    pair = _PAIR.fullmatch(word)
    if pair:
        return _attribute(reader, columns, pair[2], pair[3])
    return _named(columns, "", lower) | _anywhere(reader, columns, lower)


def _longer(columns: TraceColumns, sign: str, least: float) -> Found:
    lengths = columns.durations_ns
    if sign[0] == ">":
        return lengths >= least if sign == ">=" else lengths > least
    return lengths <= least if sign == "<=" else lengths < least


def _named(columns: TraceColumns, where: str, part: str) -> Found:
    """`where` is name, service, kind, or empty for all of them."""
    fits = np.array(
        [
            (where in ("", "name") and part in name.lower())
            or (where in ("", "service") and part in columns.services[service].lower())
            for name, service in columns.operations
        ],
        np.bool_,
    )
    found: Found = fits[columns.arrays["op"]]
    if where in ("", "kind") and part in KINDS:
        found |= columns.arrays["flags"] & 7 == KINDS.index(part)
    return found


def _attribute(reader: TraceReader, columns: TraceColumns, key: str, value: str) -> Found:
    [texts] = _texts(reader, columns, [key]) or [pa.nulls(0, pa.string())]
    if not len(texts):
        return np.zeros(columns.span_ids.size, np.bool_)
    return _by_row(columns, pc.equal(pc.utf8_lower(texts), value.lower()))


def _anywhere(reader: TraceReader, columns: TraceColumns, part: str) -> Found:
    keys = sorted(reader.attribute_keys())
    if len(keys) * columns.span_ids.size > MOST_VALUES:
        keys = [key for key in ANALYSIS_ATTRIBUTES if key in set(keys)]
    found = np.zeros(columns.span_ids.size, np.bool_)
    for texts in _texts(reader, columns, keys):
        if texts.null_count < len(texts):
            found |= _by_row(columns, pc.match_substring(texts, part, ignore_case=True))
    return found


def _texts(reader: TraceReader, columns: TraceColumns, keys: Sequence[str]) -> list[pa.Array]:
    """The values of these attributes, in the order in which the trace is stored; none when it
    has changed since it was laid out."""
    table = reader.whole_traces([columns.trace_id], keys).spans
    if table.num_rows != columns.span_ids.size:
        return []
    return [table.column(key) for key in keys]


def _by_row(columns: TraceColumns, fits: pa.ChunkedArray) -> Found:
    known = fits.fill_null(False).to_numpy().astype(np.bool_)
    by_row: Found = known[columns.sources]
    return by_row
