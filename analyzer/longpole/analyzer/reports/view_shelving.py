"""Puts the views of big traces on the shelf of storage as the traces settle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from loguru import logger

from longpole.analyzer.big_traces import LEAST_SPANS
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.reports.stored_view import made_with, packed_view
from longpole.analyzer.reports.trace_view import view_of
from longpole.model.finding import Finding
from longpole.model.ids import trace_id_hex
from longpole.storage.ports import TraceState, TraceVersion, ViewShelf, WholeTraces


class ViewShelving:
    """Takes the traces of one settle round while their explanations are at hand, and puts their
    views when the derived rows are kept. Never raises: a page can work a view out as well."""

    def __init__(
        self,
        shelf: ViewShelf,
        whole: WholeTraces,
        options: PathOptions | None,
        thresholds: Thresholds,
    ) -> None:
        self._shelf = shelf
        self._whole = whole
        self._options = options or PathOptions()
        self._thresholds = thresholds
        self._views: list[tuple[TraceState, bytes]] = []

    def add(
        self, state: TraceState, e: Explanation, findings: Sequence[Finding], rows: range
    ) -> None:
        """One trace, whose spans are these rows of `whole`; small ones are passed over."""
        if len(e.spans) < LEAST_SPANS:
            return
        try:
            alone = replace(self._whole, spans=self._whole.spans.slice(rows.start, len(rows)))
            version = TraceVersion(state.revision, True, 0, 0)
            events = self._shelf.events_of_trace(state.trace_id)
            view = view_of(_alone(e, rows.start), findings, alone, events, version)
            maker = made_with(self._options, self._thresholds)
            self._views.append((state, packed_view(view, maker)))
        except Exception:  # a bug here must not stop the settling of everybody else
            logger.exception("The view of trace {} was not made", trace_id_hex(state.trace_id))

    def put(self) -> None:
        """Put what was made."""
        for state, view in self._views:
            self._shelf.put_view(state.trace_id, state.revision, view)


def _alone(e: Explanation, first_row: int) -> Explanation:
    """The explanation as if its trace had been the only one of the round."""
    if not first_row:
        return e
    spans = e.spans
    own = replace(
        spans,
        rows=[row - first_row for row in spans.rows],
        attribute=lambda row, keys: spans.attribute(row + first_row, keys),
        column=None,
        links={row - first_row: ids for row, ids in spans.links.items()},
    )
    return replace(e, spans=own)
