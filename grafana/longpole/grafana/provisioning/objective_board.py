"""The dashboard of service level objectives: availability, latency, budgets and how fast they
burn.

Burn rates are those of the starter rules: 1 uses up the budget exactly over the period of the
objective; 14.4 over an hour, with 5 minutes to say it is still so, is what pages somebody.
"""

from __future__ import annotations

from typing import Any

from longpole.grafana.provisioning.panels import (
    Sheet,
    choice,
    figure,
    fixed_choice,
    lines,
    query,
    rows,
)
from longpole.grafana.provisioning.red_queries import (
    CALLS,
    LATENCY,
    LINES,
    SERVED,
    WHOLE,
    failure_ratio,
)
from longpole.grafana.provisioning.service_boards import TO_SERVICE

_BUDGET = "(1 - $objective / 100)"
_WHERE = f'service=~"$service", {SERVED}'
_WINDOWS = (("5m", "A"), ("1h", "B"), ("6h", "C"), ("3d", "D"))


def objectives() -> Any:
    """Availability and latency against an objective."""
    sheet = Sheet(
        "longpole-slo", "Longpole / Service level objectives",
        "How well services keep their promise, what is left of the error budget, how fast it goes.",
        [
            choice("service", "Service", f"label_values({CALLS}, service)", has_all=True),
            fixed_choice("objective", "Objective, %", ["99.9", "99", "99.5", "99.95", "99.99"]),
            fixed_choice("threshold", "Fast is, s", ["0.4", "0.1", "0.2", "0.8", "1", "2"]),
        ],
    )  # fmt: skip
    ratio = failure_ratio("", _WHERE, WHOLE)
    sheet.add(figure("Available", "percentunit", f"1 - {ratio}", decimals=3), 6, 4)
    sheet.add(
        figure(
            "Budget left", "percentunit", f"1 - ({ratio}) / {_BUDGET}",
            "Of the budget for the range that is chosen above.", (0, 0.25), is_more_better=True,
        ), 6, 4,
    )  # fmt: skip
    sheet.add(figure("Fast", "percentunit", _fast("", WHOLE), decimals=3), 6, 4)
    hour = f"({failure_ratio('', _WHERE, '1h')}) / {_BUDGET}"
    sheet.add(figure("Burn rate, 1 h", "none", hour, steps=(1, 14.4), decimals=2), 6, 4)
    by_service = failure_ratio("service", _WHERE, WHOLE)
    sheet.add(
        rows(
            "Services", ["service"],
            [
                ("Budget used", "percentunit", f"({by_service}) / {_BUDGET}"),
                ("Available", "percentunit", f"1 - {by_service}"),
                ("Fast", "percentunit", _fast("service", WHOLE)),
            ],
            link=TO_SERVICE,
        ), 24, 9,
    )  # fmt: skip
    sheet.add(
        lines(
            "Burn rate", "none",
            *(
                query(f"({failure_ratio('', _WHERE, window)}) / {_BUDGET}", window, ref)
                for window, ref in _WINDOWS
            ),
            words="Of all chosen services, over windows of different length.",
        ), 12, 9,
    )  # fmt: skip
    burn = f"({failure_ratio('service', _WHERE, '1h')}) / {_BUDGET}"
    sheet.add(lines("Burn rate, 1 h", "none", query(burn, "{{service}}")), 12, 9)
    sheet.add(lines("Fast", "percentunit", query(_fast("service", LINES), "{{service}}")), 12, 9)
    available = f"1 - {failure_ratio('service', _WHERE, LINES)}"
    sheet.add(lines("Available", "percentunit", query(available, "{{service}}")), 12, 9)
    return sheet.built()


def _fast(by: str, window: str) -> str:
    """The share of calls that took no longer than the threshold, a bound of the buckets."""
    head = f"sum by ({by}) " if by else "sum"
    fast = f'{head}(rate({LATENCY}{{{_WHERE}, le="$threshold"}}[{window}]))'
    return f'{fast} / ({head}(rate({LATENCY}{{{_WHERE}, le="+Inf"}}[{window}])) > 0)'
