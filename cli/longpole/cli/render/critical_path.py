"""Critical-path totals as text: a table whose numbers add up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.render.text import inert
from longpole.dashboards.figures import duration, plural, share

MOST_ROWS = 30
KEYS = (
    "service", "operation", "label", "edge", "call_path", "peer_service", "root_service",
    "root_operation", "call_path_id",
)  # fmt: skip
NEAREST_CALLS = 3  # of a call path, in a table
# What the labels of a segment say, for those who meet them first in the table.
LABELS = {
    "self": "own time, no call running",
    "self_overlapped": "own time or that of calls running beside it: times cannot tell",
    "net_request": "on the way to the callee",
    "net_response": "on the way back",
    "net_wait": "waiting for a callee that sends no spans",
    "backoff": "pause between attempts",
    "queue": "waiting in a queue",
}

_Row = Mapping[str, Any]


class _Column(NamedTuple):
    title: str
    text: Callable[[_Row], str]


def critical_path_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `longpole critical-path --json`."""
    groups = document["groups"]
    explain, tail = document.get("explain"), document.get("tail")
    parts = head_parts(document)
    parts += [Text(line) for line in _explained(document)]
    if not document["roots"]["trace_count"]:
        parts.append(Text("No trace matches.", "bold"))
    if groups:
        parts += [Text(), _table(groups, *_columns(document))]
    if len(groups) > MOST_ROWS:
        rest = groups[MOST_ROWS:]
        amount = duration(sum(group["critical_ns"] for group in rest))
        parts.append(Text(f"  … {len(rest):,} more rows, {amount}; --json has all of them", "dim"))
    if explain is None and tail and tail["difference_ns"]:
        parts += [Text(), Text(f"SLOW: {_tail_sentence(tail)}; --explain tail ranks by it", "dim")]
    return Group(*parts, *_legend(groups[:MOST_ROWS]), *notes(document))


def _legend(rows: Sequence[_Row]) -> list[RenderableType]:
    """The labels that are shown, in words; nothing where the table has none."""
    shown = {row.get("label") for row in rows}
    words = [f"{label}: {meaning}" for label, meaning in LABELS.items() if label in shown]
    return [Text(), Text("; ".join(words), "dim")] if words else []


def head_parts(document: Mapping[str, Any]) -> list[RenderableType]:
    """How many traces, how long their roots took, and what the answer covers."""
    roots = document["roots"]
    head = Text()
    head.append(
        f"{plural(roots['trace_count'], 'trace')}, {duration(roots['duration_sum_ns'])}", "bold"
    )
    if roots["trace_count"]:
        figures = (
            f"{name} {duration(roots[f'{name}_ns'])}" for name in ("p50", "p95", "p99", "max")
        )
        head.append("   root: " + "  ".join(figures))
    return [head, Text(_coverage(document["coverage"]), "dim")]


def notes(document: Mapping[str, Any]) -> list[RenderableType]:
    """What the person who asked should know."""
    return [Text(f"note: {inert(notice)}", "dim") for notice in document.get("notices", ())]


def _coverage(coverage: Mapping[str, int]) -> str:
    facts = [f"{coverage['matched']:,} matched", f"{coverage['used']:,} used"]
    for name, words in (
        ("unsettled_explained", "explained on the fly"),
        ("incomplete", "incomplete"),
        ("late", "with late spans"),
    ):
        if coverage[name]:
            facts.append(f"{coverage[name]:,} {words}")
    return ", ".join(facts)


def _explained(document: Mapping[str, Any]) -> list[str]:
    """What the number is that the rows add up to."""
    roots, explain = document["roots"], document.get("explain")
    if explain is None or not roots["trace_count"]:
        return []
    if explain == "mean":
        return ["", f"A trace takes {duration(roots['mean_ns'])} on average: the sum of MEAN."]
    if explain == "variance":
        variance = document["variance"]
        within = share(variance["within_share"])
        return [
            "",
            f"Durations deviate by {duration(variance['deviation_ns'])} (standard deviation): the "
            "sum of DEVIATION.",
            f"{within} of the variance is among traces of one root operation (SAME ROOT).",
        ]
    tail = document["tail"]
    if tail is None:
        return ["", "No root operation has enough traces to set slow ones against typical ones."]
    told = _tail_sentence(tail)
    lines = ["", f"{told[0].upper()}{told[1:]}: the sum of LONGER."]
    if tail["left_out"]:
        few = f"fewer than {tail['least_traces']}"
        lines.append(f"{plural(tail['left_out'], 'trace')} of root operations with {few} left out.")
    return lines


def _tail_sentence(tail: Mapping[str, Any]) -> str:
    return (
        f"slow traces ({tail['slow_count']:,}, p95 to p99) take {duration(tail['difference_ns'])} "
        f"longer than typical ones ({duration(tail['typical_ns'])})"
    )


def _columns(document: Mapping[str, Any]) -> tuple[list[_Column], Callable[[_Row], float]]:
    """The figures of a row, and the share that its bar shows."""
    explain, tail = document.get("explain"), document.get("tail")
    traces = _Column("TRACES", lambda row: f"{row['trace_count']:,}")
    held = _Column("SHARE", lambda row: share(row["share"]))
    if explain == "tail" and tail:
        whole = tail["difference_ns"]

        def part(row: _Row) -> float:
            return float(row["slow_difference_ns"] / whole) if whole else 0.0

        return [
            _Column("TYPICAL", lambda row: duration(row["typical_ns"])),
            _Column("SLOW", lambda row: duration(row["slow_ns"])),
            _Column("LONGER", lambda row: _signed(row["slow_difference_ns"])),
            _Column("SHARE", lambda row: _signed_share(part(row))),
        ], part
    if explain == "variance":
        return [
            _Column("MEAN", lambda row: duration(row["mean_ns"])),
            _Column("DEVIATION", lambda row: _signed(row["deviation_ns"])),
            _Column("SHARE", lambda row: _signed_share(row["variance_share"])),
            _Column("SAME ROOT", lambda row: _signed_share(row["within_share"])),
        ], lambda row: float(row["variance_share"])
    if explain == "mean":
        mean = _Column("MEAN", lambda row: duration(row["mean_ns"]))
        return [mean, held, traces], lambda row: float(row["share"])
    columns = [_Column("TIME", lambda row: duration(row["critical_ns"])), held]
    if tail and tail["difference_ns"]:
        columns.append(_Column("SLOW", lambda row: _signed(row["slow_difference_ns"])))
    return [*columns, traces], lambda row: float(row["share"])


def _table(
    groups: list[_Row], columns: list[_Column], shown_share: Callable[[_Row], float]
) -> Table:
    names = [key for key in KEYS if key in groups[0]]
    if "call_path" in names and "call_path_id" in names:
        names.remove("call_path_id")
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), show_edge=False)
    for name in names:
        wide = 6 if name == "call_path" else 3
        title = name.replace("_", " ").upper()
        table.add_column(title, no_wrap=True, overflow="ellipsis", ratio=wide)
    for column in columns:
        table.add_column(column.title, justify="right", no_wrap=True)
    table.add_column("", ratio=2, no_wrap=True)
    for group in groups[:MOST_ROWS]:
        held = max(0.0, min(1.0, shown_share(group)))
        table.add_row(
            *(Text(_name(name, group[name])) for name in names),
            *(column.text(group) for column in columns),
            Bar(1, 0, held, color="yellow"),
        )
    return table


def _name(name: str, value: Any) -> str:
    if name == "edge":
        return "(own time)" if value is None else inert(str(value))
    if name != "call_path":
        return inert(str(value or ""))
    if value is None:
        return "(call path not known)"
    # The innermost call first: the end of a line is what a narrow terminal cuts off.
    calls = [f"{inert(call['service'])} {inert(call['operation'])}" for call in value]
    more = ["…"] if len(calls) > NEAREST_CALLS else []
    return " ‹ ".join([*reversed(calls[-NEAREST_CALLS:]), *more])


def _signed(nanoseconds: int) -> str:
    """`+12 ms`, `−3 ms`; nothing is `0`."""
    if not nanoseconds:
        return "0"
    return f"{'+' if nanoseconds > 0 else '−'}{duration(abs(nanoseconds))}"


def _signed_share(part: float) -> str:
    return share(part) if part >= 0 else f"−{share(-part)}"
