"""Questions about log records."""

from __future__ import annotations

from typing import Any

from longpole.analyzer.reports.log_levels_report import log_levels_report
from longpole.analyzer.reports.log_patterns_report import log_patterns_report
from longpole.analyzer.reports.logs_report import logs_report
from longpole.dashboards import parameters
from longpole.dashboards.asked_store import Asked
from longpole.dashboards.log_parameters import LOG_FILTERS, baseline_ns, log_query
from longpole.dashboards.parameters import Parameters


class LogAnswers(Asked):
    """Methods of `Answers` about logs."""

    __slots__ = ()

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
