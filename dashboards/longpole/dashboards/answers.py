"""Every question and the JSON document that answers it: the API, the pages and the command
line without a server all ask here, so that they cannot disagree.

Whatever raises here is a row of `errors.REFUSALS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from longpole.analyzer.alerting.board import FixedBoard, RuleBoard
from longpole.analyzer.causal_path import causal_path
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_groups import GROUP_NAMES
from longpole.analyzer.reports.alerts_report import alerts_report
from longpole.analyzer.reports.call_tree_report import call_tree_report
from longpole.analyzer.reports.causal_report import causal_report
from longpole.analyzer.reports.clocks_nearby import clocks_nearby
from longpole.analyzer.reports.compare_report import compare_report
from longpole.analyzer.reports.compare_sides import Side
from longpole.analyzer.reports.compare_traces_report import compare_traces_report
from longpole.analyzer.reports.critical_path_report import critical_path_report
from longpole.analyzer.reports.findings_report import findings_report
from longpole.analyzer.reports.gaps_report import gaps_report
from longpole.analyzer.reports.log_levels_report import log_levels_report
from longpole.analyzer.reports.log_patterns_report import log_patterns_report
from longpole.analyzer.reports.logs_report import logs_report
from longpole.analyzer.reports.path_times_report import Explain
from longpole.analyzer.reports.root_cause_report import root_cause_report
from longpole.analyzer.reports.search_report import search_report
from longpole.analyzer.reports.service_map_report import service_map_report
from longpole.analyzer.reports.service_over_time import operation_over_time, service_over_time
from longpole.analyzer.reports.service_verdict import service_verdict
from longpole.analyzer.reports.services_over_time import Shown, services_over_time
from longpole.analyzer.reports.services_report import services_report
from longpole.analyzer.reports.trace_context import Bottleneck, trace_context
from longpole.analyzer.reports.trace_report import trace_report
from longpole.analyzer.reports.traces_report import traces_report
from longpole.analyzer.reports.what_if_report import DEFAULT_TRACES, what_if_report
from longpole.analyzer.search.completion import completion_report
from longpole.analyzer.what_if.changes import parse_changes
from longpole.dashboards import exports, parameters, two_sides, two_traces
from longpole.dashboards.errors import BadQuestion, UnknownService, UnknownTrace
from longpole.dashboards.log_parameters import LOG_FILTERS, baseline_ns, log_query
from longpole.dashboards.parameters import FILTERS, PATH_OPTIONS, Parameters
from longpole.dashboards.search_parameters import OWN, SEARCH, parts_of, search_of
from longpole.dashboards.sql_rows import sql_document
from longpole.dashboards.time_window import TIME_PARAMETERS, window_of
from longpole.dashboards.trace_views import TraceViews
from longpole.model.clock import Clock
from longpole.model.ids import parse_span_id, parse_trace_id, span_id_hex, trace_id_hex
from longpole.model.problem import Problem
from longpole.storage.ports import (
    Exporter,
    SqlReader,
    StoreStatus,
    TraceReader,
)

WHY_NO_SERVICE = (
    "its name is spelt another way: `longpole services` lists all",
    "it sent nothing in that time, or its traces are not settled yet",
)
SQL_MAX_ROWS = 1_000_000
SQL_MAX_SECONDS = 600.0
SQL_MAX_TEXT = 262_144


@dataclass(frozen=True, slots=True)
class Limit:
    """A setting of the server as people read it."""

    flag: str
    value: str
    meaning: str


class Readable(TraceReader, Exporter, SqlReader, Protocol):
    """The ports that questions need."""

    def status(self) -> StoreStatus: ...


@dataclass(frozen=True, slots=True)
class Answers:
    """`addresses` are those of the server that answers: grpc, http, web; empty without one.
    `own_metrics` gives the text of its `/metrics`, `limits` are its settings."""

    store: Readable
    clock: Clock
    addresses: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    thresholds: Thresholds = Thresholds()
    own_metrics: Callable[[], bytes] = lambda: b""
    limits: Sequence[Limit] = ()
    views: TraceViews = field(default_factory=TraceViews)
    board: RuleBoard = FixedBoard()

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
        explanation = explain(trace, options, clocks_nearby(self.store, trace))
        report = trace_report(explanation, sent, logs, self.thresholds, include_spans=include_spans)
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

    def critical_path(self, asked: Parameters) -> dict[str, Any]:
        """Where the time of every matching trace went; `explain` is the number that the rows
        explain, `tree=1` asks for call paths as a tree instead of rows."""
        own = frozenset({"group_by", "explain", "tree"})
        parameters.only(asked, FILTERS - {"limit"}, PATH_OPTIONS, own)
        group_by = tuple(
            name
            for value in asked.get("group_by", ("service,operation,label",))
            for name in value.split(",")
            if name
        )
        unknown = [name for name in group_by if name not in GROUP_NAMES]
        if unknown or len(set(group_by)) != len(group_by):
            raise BadQuestion(f"group_by: choose from {', '.join(GROUP_NAMES)}, each at most once")
        explain = parameters.first(asked, "explain")
        if explain is not None and explain not in {number.value for number in Explain}:
            raise BadQuestion(f"explain: choose from {', '.join(Explain)}")
        query = parameters.query(asked, self.clock, default_limit=None)
        options = parameters.path_options(asked)
        if parameters.flag(asked, "tree"):
            if explain is not None or "group_by" in asked:
                raise BadQuestion("tree=1 shows call paths; leave out group_by and explain")
            return call_tree_report(self.store, query, options)
        chosen = None if explain is None else Explain(explain)
        return critical_path_report(self.store, query, group_by, options, chosen)

    def findings(self, asked: Parameters) -> dict[str, Any]:
        """What was found in every matching trace, one entry for each fault; `all=1` with those
        of level info."""
        parameters.only(asked, FILTERS - {"limit"}, PATH_OPTIONS, frozenset({"all"}))
        query = parameters.query(asked, self.clock, default_limit=None)
        options = parameters.path_options(asked)
        with_info = parameters.flag(asked, "all")
        return findings_report(self.store, query, options, self.thresholds, with_info=with_info)

    def gaps(self, asked: Parameters) -> dict[str, Any]:
        """Where the critical path of every matching trace has no span to explain it."""
        parameters.only(asked, FILTERS - {"limit"}, PATH_OPTIONS)
        query = parameters.query(asked, self.clock, default_limit=None)
        return gaps_report(self.store, query, parameters.path_options(asked))

    def root_cause(self, asked: Parameters) -> dict[str, Any]:
        """Who is to blame for what changed in the range asked for."""
        parameters.only(asked, FILTERS - {"limit"}, PATH_OPTIONS, parameters.BASELINE)
        query = parameters.query(asked, self.clock, default_limit=None)
        if query.time.is_unbounded:
            raise BadQuestion(
                "which window? since, or from and to, choose it; what was before it is the baseline"
            )
        baseline = parameters.baseline(asked)
        return root_cause_report(
            self.store,
            query,
            baseline,
            parameters.path_options(asked),
            now_unix_nano=self.clock.now_unix_nano(),
        )

    def what_if(self, asked: Parameters) -> dict[str, Any]:
        """What each `change`, all together, would do to the newest `limit` matching traces;
        without any, the operations by what they could gain."""
        parameters.only(asked, FILTERS, PATH_OPTIONS, frozenset({"change"}))
        query = parameters.query(asked, self.clock, default_limit=DEFAULT_TRACES)
        changes = parse_changes(list(asked.get("change", ())))
        return what_if_report(self.store, query, changes, parameters.path_options(asked))

    def logs(self, asked: Parameters) -> dict[str, Any]:
        """Matching log records, the newest `limit`, newest last unless `reverse=1`."""
        parameters.only(asked, LOG_FILTERS, frozenset({"limit", "reverse"}))
        is_reversed = parameters.flag(asked, "reverse")
        return logs_report(self.store, log_query(asked, self.clock), is_newest_first=is_reversed)

    def log_levels(self, asked: Parameters) -> dict[str, Any]:
        """How many matching log records there are of each level, over time."""
        parameters.only(asked, LOG_FILTERS)
        return log_levels_report(
            self.store, log_query(asked, self.clock), now_unix_nano=self.clock.now_unix_nano()
        )

    def log_patterns(self, asked: Parameters) -> dict[str, Any]:
        """What statements the matching log records come from, against the time before."""
        parameters.only(asked, LOG_FILTERS, frozenset({"baseline"}))
        query = log_query(asked, self.clock)
        return log_patterns_report(
            self.store,
            query,
            baseline_ns(asked, query.time),
            now_unix_nano=self.clock.now_unix_nano(),
        )

    def compare(self, asked: Parameters, head_store: TraceReader | None = None) -> dict[str, Any]:
        """What changed from base to head; `head_store` is where head is, when it is another."""
        parameters.only(asked, two_sides.SHARED, two_sides.OF_SIDES, two_sides.OWN, PATH_OPTIONS)
        base, head = two_sides.queries(asked, self.clock, is_apart=head_store is not None)
        return compare_report(
            Side(self.store, base),
            Side(self.store if head_store is None else head_store, head),
            statistic=two_sides.statistic(asked),
            gates=two_sides.gates(asked),
            most=two_sides.sample(asked),
            options=parameters.path_options(asked),
        )

    def alerts(self) -> dict[str, Any]:
        """Which alerts of the server's rules are pending or firing, and which rules fail."""
        return alerts_report(self.board.groups())

    def service_map(self, asked: Parameters) -> dict[str, Any]:
        """Who calls whom in the matching traces; `focus` keeps what is near one node."""
        parameters.only(asked, FILTERS - {"limit"}, PATH_OPTIONS, frozenset({"focus"}))
        query = parameters.query(asked, self.clock, default_limit=None)
        focus = parameters.first(asked, "focus")
        return service_map_report(self.store, query, focus, parameters.path_options(asked))

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
        return explain(trace, options, clocks_nearby(self.store, trace))

    def services(self, asked: Parameters) -> dict[str, Any]:
        """Services whose spans start in the range asked for."""
        parameters.only(asked, frozenset({"since", "from", "to"}))
        return services_report(self.store, parameters.time_range(asked, self.clock))

    def service_verdict(self, service: str, asked: Parameters) -> dict[str, Any]:
        """Where, why and what to do for one service, over all its traces in that time."""
        parameters.only(asked, frozenset({"since", "from", "to"}), PATH_OPTIONS)
        time = parameters.time_range(asked, self.clock)
        options = parameters.path_options(asked)
        document = service_verdict(self.store, service, time, options, self.thresholds)
        if document is None:
            raise UnknownService(service, WHY_NO_SERVICE)
        return document

    def overview(self, asked: Parameters, shown: Shown | None = None) -> dict[str, Any]:
        """All services over time, and where their time goes; the last hour unless asked. With
        `shown`, only the services that it names come with series."""
        parameters.only(asked, TIME_PARAMETERS)
        return services_over_time(self.store, window_of(asked, self.clock).red, shown)

    def service(self, service: str, asked: Parameters) -> dict[str, Any]:
        """One service over time, with its operations."""
        parameters.only(asked, TIME_PARAMETERS)
        window = window_of(asked, self.clock).red
        return self._known(service, service_over_time(self.store, service, window))

    def service_operation(self, service: str, asked: Parameters) -> dict[str, Any]:
        """The operation `name` of one service over time."""
        parameters.only(asked, TIME_PARAMETERS, frozenset({"name"}))
        window = window_of(asked, self.clock).red
        name = parameters.first(asked, "name") or ""
        return self._known(service, operation_over_time(self.store, service, name, window))

    def _known(self, service: str, document: dict[str, Any] | None) -> dict[str, Any]:
        if document is None:
            raise UnknownService(service, WHY_NO_SERVICE)
        return document

    def attribute_keys(self, asked: Parameters) -> dict[str, Any]:
        """Every attribute key with its SQL type, by name."""
        parameters.only(asked)
        keys = sorted(self.store.attribute_keys().items())
        return {"keys": [{"key": key, "type": kind} for key, kind in keys]}

    def sql(self, text: str, max_rows: int, timeout_seconds: float) -> dict[str, Any]:
        """Rows of one SELECT."""
        if not 1 <= max_rows <= SQL_MAX_ROWS:
            raise BadQuestion(f"max_rows: choose from 1 to {SQL_MAX_ROWS:,}")
        if not 0 < timeout_seconds <= SQL_MAX_SECONDS:
            raise BadQuestion(f"timeout_seconds: above 0, at most {SQL_MAX_SECONDS:.0f}")
        if len(text) > SQL_MAX_TEXT:
            raise BadQuestion(f"sql is longer than {SQL_MAX_TEXT:,} characters")
        return sql_document(self.store.sql(text, max_rows, timeout_seconds))

    def export(self, asked: Parameters) -> exports.Export:
        """Telemetry in a format of `exports.FORMATS`."""
        parameters.only(asked, FILTERS, frozenset({"signal", "format"}))
        signal, form = exports.chosen(
            parameters.first(asked, "signal") or "traces",
            parameters.first(asked, "format") or "otlp-json",
        )
        query = None
        if any(asked.get(name) for name in FILTERS):
            query = parameters.query(asked, self.clock, default_limit=None)
        return exports.export(self.store, signal, form, query)

    def export_trace(self, trace_id: str, asked: Parameters) -> exports.Export:
        """One trace in a format of `exports.FORMATS`."""
        parameters.only(asked, frozenset({"format"}))
        identity = parse_trace_id(trace_id)
        if self.store.trace(identity) is None:
            raise UnknownTrace(trace_id_hex(identity), self.why_unknown())
        return self.export({**asked, "trace": [trace_id_hex(identity)]})

    def status(self) -> dict[str, Any]:
        """What is kept and how it is doing."""
        status = self.store.status()
        document = asdict(status)
        document["record_counts"] = {str(k.value): v for k, v in status.record_counts.items()}
        document["losses"] = dict(status.losses)
        document["problems"] = [_problem(problem) for problem in status.problems]
        return {"version": self.version, "addresses": dict(self.addresses), **document}

    def why_unknown(self) -> tuple[str, ...]:
        """What may be the reason that a trace is not here."""
        reasons = [
            "it was not sampled, or its exporter has not sent it yet",
            "it is older than the retention (--retain-days, --retain-bytes)",
            "it went to another server or data directory",
        ]
        if not self.store.status().is_replayed:
            reasons.insert(0, "the journal is still being replayed; ask again in a moment")
        return tuple(reasons)


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "message": problem.message,
        "severity": problem.severity.value,
        "count": problem.count,
    }
