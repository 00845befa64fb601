"""Words for how a trace or a span stands among other runs: its rank, and what leads its verdict.

A share is rounded down near the end: else the second slowest of 400 would be slower than 100 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from longpole.dashboards.figures import plural, share

_FAILED = {"root": "failed", "path": "errors on the critical path"}


def capped_share(part: float) -> str:
    """A share as a percentage that says 100 % only of all."""
    if 0.99 <= part < 1:
        return f"{math.floor(part * 1000) / 10:.1f} %"
    return share(part)


def slower_words(usual: Mapping[str, Any], noun: str = "other run") -> str:
    """`slower than all 75 other runs`, `slower than 99.6 % of 500 other runs`; only how many there
    are where it is not among the slower half."""
    low, others = usual["faster_share_low"], plural(usual["others"], noun)
    if low >= 1:
        return f"slower than all {others}" if usual["others"] > 1 else f"slower than {others}"
    return f"slower than {capped_share(low)} of {others}" if low >= 0.5 else others


def verdict_heading(report: Mapping[str, Any], usual: Mapping[str, Any] | None) -> str:
    """What stands above a verdict that no finding leads: that nothing is unusual only where the
    trace did not fail and is not plainly slower than others of its root. Empty otherwise."""
    if not report["verdict"] or report["verdict"][0]["detector"] is not None:
        return ""
    odd = [_FAILED[report["failure"]]] if report["failure"] else []
    odd += ["slower than usual"] if usual and usual["is_slow"] else []
    if not odd:
        return "Nothing unusual. Most time:"
    words = ", ".join([*odd, "no known pattern"])
    return f"{words[0].upper()}{words[1:]}. Most time:"
