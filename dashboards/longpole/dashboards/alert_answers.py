"""Questions about the rules that the server evaluates."""

from __future__ import annotations

from typing import Any

from longpole.analyzer.reports.alerts_report import alerts_report
from longpole.dashboards.asked_store import Asked


class AlertAnswers(Asked):
    """Methods of `Answers` about alerts."""

    __slots__ = ()

    def alerts(self) -> dict[str, Any]:
        """Which alerts of the server's rules are pending or firing, and which rules fail."""
        return alerts_report(self.board.groups())
