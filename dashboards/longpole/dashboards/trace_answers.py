"""Questions about one trace, or two, and which traces there are."""

from __future__ import annotations

from functools import partial
from typing import Any

from longpole.analyzer.causal_path import causal_path
from longpole.analyzer.clock_shift import Clocks
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.reports.causal_report import causal_report
from longpole.analyzer.reports.clocks_nearby import clocks_nearby
from longpole.analyzer.reports.compare_traces_report import compare_traces_report
from longpole.analyzer.reports.search_report import search_report
from longpole.analyzer.reports.trace_context import Bottleneck, trace_context
from longpole.analyzer.reports.trace_report import trace_report
from longpole.analyzer.reports.traces_report import traces_report
from longpole.analyzer.reports.usual_roots import RootRun, usual_roots, with_usual
from longpole.analyzer.search.completion import completion_report
from longpole.dashboards import parameters, two_traces
from longpole.dashboards.asked_store import Asked
from longpole.dashboards.errors import BadQuestion, UnknownTrace
from longpole.dashboards.parameters import FILTERS, PATH_OPTIONS, Parameters
from longpole.dashboards.search_parameters import OWN, SEARCH, parts_of, search_of
from longpole.model.ids import parse_span_id, parse_trace_id, span_id_hex, trace_id_hex
from longpole.model.trace import Trace


class TraceAnswers(Asked):
    """Methods of `Answers` about single traces."""

    __slots__ = ()

    def traces(self, asked: Parameters) -> dict[str, Any]:
        """Matching traces, newest first."""
        parameters.only(asked, FILTERS)
        return traces_report(
            self.store, parameters.query(asked, self.clock), thresholds=self.thresholds
        )

    def search(self, asked: Parameters) -> dict[str, Any]:
        """The first matching traces of an order: a page of rows, facets, groups by cause and a
        picture, whichever `with` asks for."""
        parameters.only(asked, SEARCH, OWN)
        search = search_of(asked, self.clock)
        return search_report(self.store, search, parts_of(asked), self.thresholds)

    def completion(self, asked: Parameters) -> dict[str, Any]:
        """What may stand after the first `at` characters of the query `q`."""
        parameters.only(asked, frozenset({"q", "at", "since", "from", "to"}))
        text, at = parameters.first(asked, "q") or "", parameters.first(asked, "at")
        cursor = len(text) if at is None else parameters.whole(at, "at", 0, parameters.MAX_TEXT)
        time = parameters.time_range(asked, self.clock)
        return completion_report(self.store, text, cursor, time)

    def trace(self, trace_id: str, asked: Parameters) -> dict[str, Any]:
        """The report of one trace; `spans=1` adds every span in tree order, `spans=tree` the
        same without attributes and events, which is all that a page or a terminal shows;
        `context=1` adds what history, logs and metrics say about it; `causal=1` the path to its
        last end, or to that of the span `end`, across messages and traces."""
        parameters.only(asked, PATH_OPTIONS, frozenset({"spans", "context", "causal", "end"}))
        options = parameters.path_options(asked)
        is_tree = parameters.first(asked, "spans") == "tree"
        include_spans = is_tree or parameters.flag(asked, "spans")
        identity = parse_trace_id(trace_id)
        trace = self.store.trace(identity)
        if trace is None:
            raise UnknownTrace(trace_id_hex(identity), self.why_unknown())
        logs = self.store.logs_of_trace(identity)
        sent = None if is_tree else trace
        explanation = explain(trace, options, self._clocks(trace))
        report = trace_report(explanation, sent, logs, self.thresholds, include_spans=include_spans)
        run = RootRun.of(report)
        with_usual(report, usual_roots(self.store, run) if run else None)
        if parameters.flag(asked, "context"):
            bottlenecks = [Bottleneck.of(entry) for entry in report["verdict"]]
            report["context"] = trace_context(self.store, explanation, bottlenecks)
        if parameters.flag(asked, "causal"):
            end = parameters.first(asked, "end")
            report["causal"] = self._causal(explanation, end)
        return report

    def _causal(self, explanation: Explanation, end: str | None) -> dict[str, Any]:
        span_id = None if end is None else parse_span_id(end)
        if span_id is not None and span_id not in explanation.spans.span_ids:
            raise BadQuestion(f"end: the trace has no span {span_id_hex(span_id)}")
        return causal_report(causal_path(explanation, self.store.trace, span_id))

    def compare_traces(self, asked: Parameters) -> dict[str, Any]:
        """How trace `b` differs from trace `a`; one of them may be `typical`, what other traces
        of the same root are."""
        parameters.only(asked, two_traces.SIDES, PATH_OPTIONS)
        options = parameters.path_options(asked)
        base, head = two_traces.sides(asked, self.store, self._explained, options)
        return compare_traces_report(base, head, self.thresholds)

    def _explained(self, trace_id: int, options: PathOptions) -> Explanation:
        trace = self.store.trace(trace_id)
        if trace is None:
            raise UnknownTrace(trace_id_hex(trace_id), self.why_unknown())
        return explain(trace, options, self._clocks(trace))

    def _clocks(self, trace: Trace) -> Clocks:
        return clocks_nearby(self.store, trace, partial(self.nearby.around, self.clock))
