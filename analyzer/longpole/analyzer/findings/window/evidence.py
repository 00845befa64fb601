"""Evidence in a window: finds the spans of findings, and what is above them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from longpole.analyzer.findings.window.span_columns import NO_ROW, SpanColumns
from longpole.model.ids import split_trace_id

MOST_SPAN_IDS = 50
_MOST_TRACES = 50  # of a finding that are compared with others
_MOST_ABOVE = 200  # levels of a tree


class Evidence:
    """Answers for the spans of one window; knows nothing without them."""

    def __init__(self, spans: SpanColumns | None) -> None:
        self._spans = spans

    def span_ids(self, rows: Sequence[int]) -> list[int]:
        """The ids of these rows, the first `MOST_SPAN_IDS`."""
        if self._spans is None:
            return []
        return [int(self._spans.span_ids[row]) for row in rows[:MOST_SPAN_IDS]]

    def of_rows(self, rows: Sequence[int]) -> dict[int, frozenset[int]]:
        """Span ids by trace id, of the first traces in `rows`, in their order."""
        if self._spans is None:
            return {}
        found: dict[int, set[int]] = {}
        for row in rows:
            trace_id = self._spans.trace_ids[int(self._spans.trace[row])]
            if trace_id in found or len(found) < _MOST_TRACES:
                found.setdefault(trace_id, set()).add(int(self._spans.span_ids[row]))
        return {trace_id: frozenset(ids) for trace_id, ids in found.items()}

    def above(self, spans_of: Mapping[int, frozenset[int]]) -> dict[int, frozenset[int]]:
        """By trace id the ids of these spans and of all above them."""
        found: dict[int, frozenset[int]] = {}
        for trace_id, ids in spans_of.items():
            above = set(ids)
            if self._spans is not None:
                spans, rows = self._spans, self._rows(trace_id, ids)
                for row in rows:
                    at = row
                    for _ in range(_MOST_ABOVE):
                        above.add(int(spans.span_ids[at]))
                        at = int(spans.parents[at])
                        if at == NO_ROW:
                            break
            found[trace_id] = frozenset(above)
        return found

    def operations(self, spans_of: Mapping[int, frozenset[int]]) -> frozenset[tuple[str, str]]:
        """Service and name of these spans."""
        if self._spans is None:
            return frozenset()
        spans = self._spans
        return frozenset(
            (spans.service.of(row), spans.name.of(row))
            for trace_id, ids in spans_of.items()
            for row in self._rows(trace_id, ids)
        )

    def _rows(self, trace_id: int, ids: frozenset[int]) -> list[int]:
        assert self._spans is not None
        hi, lo = split_trace_id(trace_id)
        wanted = np.array(sorted(ids), dtype=np.uint64)
        rows = self._spans.finder.rows(
            np.full(len(wanted), hi, np.uint64), np.full(len(wanted), lo, np.uint64), wanted
        )
        return [int(row) for row in rows if row != NO_ROW]
