"""Keeps views of traces: a page, its columns, its panels and its find read the same one.

A view belongs to one state of one trace (`KeptView.version`), so whatever has that version in its
address never changes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, cast

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.reports.stored_view import stored_view
from longpole.analyzer.reports.trace_columns.columns import TraceColumns
from longpole.analyzer.reports.trace_view import TraceView, trace_view
from longpole.dashboards.lpt1 import encoded_columns
from longpole.model.clock import Clock
from longpole.storage.ports import TraceReader, TraceVersion

MOST_BYTES = 256 << 20
FRESH_NS, MOST_TOLD = 30 * 10**9, 50
_OF_A_VIEW, _OF_A_NAME, _OF_A_LOG = 50_000, 300, 1_000  # bytes, roughly
_T = TypeVar("_T")
_Key: TypeAlias = tuple[int, PathOptions]


@dataclass(slots=True)
class KeptView:
    """A view, what was made of it, and what was told about it lately (with when). `numbers` give
    services their colours."""

    view: TraceView
    numbers: Mapping[str, int]
    made: dict[str, bytes] = field(default_factory=dict)
    told: dict[Hashable, tuple[int, Any]] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """Tells states of the trace apart; part of addresses."""
        return version_of(self.view.state)

    @property
    def is_settled(self) -> bool:
        """Whether this state is final, as far as anybody knows."""
        return self.view.state.is_settled

    @property
    def columns(self) -> TraceColumns:
        """The trace by row."""
        return self.view.columns

    def encoded(self, selected: int = -1) -> bytes:
        """The columns as LPT1."""
        summary, state = self.view.summary, self.view.state
        facts = {
            "revision": state.revision,
            "settled": state.is_settled,
            "problems": summary["problems"],
            "completeness": summary["completeness"],
        }
        return encoded_columns(self.columns, facts, self.numbers, selected)

    def once(self, name: str, make: Callable[[], bytes]) -> bytes:
        """What `make` gives, made at the first question for that name."""
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def lately(self, name: Hashable, clock: Clock, tell: Callable[[], _T]) -> _T:
        """What `tell` gives, up to `FRESH_NS` old: what other traces say changes slowly, and takes
        longer to ask than all the rest of a page."""
        now = clock.monotonic_ns()
        known = self.told.get(name)
        if known is not None and now - known[0] < FRESH_NS:
            return cast(_T, known[1])
        if len(self.told) >= MOST_TOLD:
            self.told.clear()
        value = tell()
        self.told[name] = now, value
        return value

    @property
    def weight(self) -> int:
        """Bytes that this takes, roughly."""
        columns = self.columns
        arrays = (
            *columns.arrays.values(), columns.span_ids, columns.starts_ns, columns.durations_ns,
            columns.self_ns, columns.critical_ns, columns.shifts_ns, columns.sources,
            columns.bounds_ns,
            columns.order.indices, columns.order.rows, columns.order.parents,
            columns.order.depths, columns.order.subtrees,
        )  # fmt: skip
        names = len(columns.operations) + len(columns.services) + len(columns.groups)
        held = sum(array.nbytes for array in arrays) + sum(map(len, self.made.values()))
        return held + _OF_A_VIEW + _OF_A_NAME * names + _OF_A_LOG * len(self.view.logs)


def version_of(state: TraceVersion) -> str:
    """A word for that state, for addresses."""
    return f"{state.revision}-{state.span_rows}-{state.log_rows}"


class TraceViews:
    """The views last asked for, up to `most_bytes` together (the newest always). Threads that ask
    for the same one wait for the first of them instead of working it out again."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, KeptView] = OrderedDict()
        self._making: dict[_Key, tuple[threading.Lock, int]] = {}

    def view(
        self, reader: TraceReader, trace_id: int, options: PathOptions, thresholds: Thresholds
    ) -> KeptView | None:
        """The view of a trace as it is now; None for an unknown id."""
        # The state is asked for first: what arrives in between makes the view newer than it says,
        # and the next question makes it again.
        state = reader.trace_version(trace_id)
        if state is None:
            return None
        key = (trace_id, options)
        kept = self._known(key, state)
        if kept is not None:
            return kept
        with self._alone(key):
            kept = self._known(key, state)
            if kept is None:
                view = stored_view(reader, trace_id, state, options, thresholds)
                view = view or trace_view(reader, trace_id, state, options, thresholds)
                if view is None:
                    return None
                kept = KeptView(view, reader.service_colours())
                self._keep(key, kept)
            return kept

    def _known(self, key: _Key, state: TraceVersion) -> KeptView | None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept.view.state != state:
                return None
            self._kept.move_to_end(key)
            return kept

    def _keep(self, key: _Key, kept: KeptView) -> None:
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = kept
            weights = {key: kept.weight for key, kept in self._kept.items()}
            total = sum(weights.values())
            while total > self._most_bytes and len(self._kept) > 1:
                oldest, _ = self._kept.popitem(last=False)
                total -= weights[oldest]

    @contextmanager
    def _alone(self, key: _Key) -> Iterator[None]:
        """Inside, no other thread is here with the same key."""
        with self._lock:
            mine, waiting = self._making.get(key, (threading.Lock(), 0))
            self._making[key] = (mine, waiting + 1)
        try:
            with mine:
                yield
        finally:
            with self._lock:
                _, waiting = self._making[key]
                if waiting > 1:
                    self._making[key] = (mine, waiting - 1)
                else:
                    del self._making[key]
