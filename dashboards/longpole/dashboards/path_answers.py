"""Questions about all matching traces together: where their time goes, what is wrong in them."""

from __future__ import annotations

from typing import Any

from longpole.analyzer.path_groups import GROUP_NAMES
from longpole.analyzer.reports.call_tree_report import call_tree_report
from longpole.analyzer.reports.compare_report import compare_report
from longpole.analyzer.reports.compare_sides import Side
from longpole.analyzer.reports.critical_path_report import critical_path_report
from longpole.analyzer.reports.findings_report import findings_report
from longpole.analyzer.reports.gaps_report import gaps_report
from longpole.analyzer.reports.path_times_report import Explain
from longpole.analyzer.reports.root_cause_report import root_cause_report
from longpole.analyzer.reports.service_map_report import service_map_report
from longpole.analyzer.reports.what_if_report import DEFAULT_TRACES, what_if_report
from longpole.analyzer.what_if.changes import parse_changes
from longpole.dashboards import parameters, two_sides
from longpole.dashboards.asked_store import Asked
from longpole.dashboards.errors import BadQuestion
from longpole.dashboards.parameters import FILTERS, PATH_OPTIONS, Parameters
from longpole.storage.ports import TraceReader


class PathAnswers(Asked):
    """Methods of `Answers` about many traces."""

    __slots__ = ()

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
        baseline = parameters.baseline(asked, self.clock)
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

    def service_map(self, asked: Parameters) -> dict[str, Any]:
        """Who calls whom in the matching traces; `focus` keeps what is near one node."""
        parameters.only(asked, FILTERS - {"limit"}, PATH_OPTIONS, frozenset({"focus"}))
        query = parameters.query(asked, self.clock, default_limit=None)
        focus = parameters.first(asked, "focus")
        return service_map_report(
            self.store, query, focus, parameters.path_options(asked),
            now_unix_nano=self.clock.now_unix_nano(),
        )  # fmt: skip
