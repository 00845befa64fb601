"""What changed, as text: the verdict, terms that add up, and what explains them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.gate_checks import NOTHING_TO_COMPARE, Check
from longpole.cli.render.text import inert, name_of, sentence_of, shortened
from longpole.dashboards.figures import duration, plural

MOST_TERMS = 12
MOST_CAUSES = 5
SHOWN_SAME = 3
_LONGEST_VALUE = 48


def compare_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `/api/v1/compare`."""
    return Group(*_parts(document))


def diff_text(document: Mapping[str, Any], checks: Sequence[Check]) -> RenderableType:
    """The checks, then the comparison."""
    parts: list[RenderableType] = []
    width = max((len(_word(check).plain) for check in checks), default=0)
    for check in checks:
        grid = Table.grid(padding=(0, 1), expand=False)
        grid.add_column(width=max(4, width), no_wrap=True)
        grid.add_column(overflow="fold")
        words = Text(inert(check.name), "bold")
        colon = ":" if check.name == NOTHING_TO_COMPARE else " "
        words.append(f"{colon} {sentence_of(check.detail)}", "not bold")
        grid.add_row(_word(check), words)
        parts.append(grid)
    return Group(*parts, Text(), *_parts(document, with_verdict=bool(document["gates"])))


def _word(check: Check) -> Text:
    if check.is_open:
        return Text("unknown", "bold yellow")
    return Text("ok", "bold green") if check.is_passed else Text("FAIL", "bold red")


def _parts(document: Mapping[str, Any], with_verdict: bool = True) -> Iterator[RenderableType]:
    if with_verdict:
        yield Text(sentence_of(document["verdict_line"]), "bold")
    yield Text(_coverage(document), "dim")
    terms = document["terms"]
    if document["compared"]["base_traces"] and document["compared"]["head_traces"]:
        yield Text()
        yield _figures(document)
    if terms:
        yield Text()
        yield _terms(document)
        noise = sum(not term["is_real"] for term in terms)
        if noise:
            yield Text("  ~ what chance alone may have moved", "dim")
    for change in document["attributes"]:
        yield Text()
        yield from _attributes(change)
    for notice in document["notices"]:
        yield Text(f"note: {inert(notice)}", "dim")


def _coverage(document: Mapping[str, Any]) -> str:
    facts = []
    for side in ("base", "head"):
        coverage = document[side]["coverage"]
        words = [f"{coverage['matched']:,} matched", f"{coverage['used']:,} used"]
        words += [
            f"{coverage[name]:,} {said}"
            for name, said in (("incomplete", "incomplete"), ("late", "with late spans"))
            if coverage[name]
        ]
        facts.append(f"{side}: {', '.join(words)}")
    return "   ".join(facts)


def _figures(document: Mapping[str, Any]) -> Table:
    table = Table(box=None, expand=False, padding=(0, 2, 0, 0), show_edge=False)
    for name in ("", "BASE", "HEAD", "CHANGE"):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    base, head = document["base"], document["head"]
    for name in ("mean", "p50", "p95", "p99"):
        before, after = base[f"{name}_ns"], head[f"{name}_ns"]
        share = f" ({percent((after - before) / before)})" if before else ""
        table.add_row(name, duration(before), duration(after), signed(after - before) + share)
    shares = base["error_share"], head["error_share"]
    if any(shares):
        points = percent(shares[1] - shares[0], "points")
        table.add_row("failed", *(f"{share * 100:.1f} %" for share in shares), points)
    return table


def _terms(document: Mapping[str, Any]) -> Table:
    terms, compared = document["terms"], document["compared"]
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("WHAT CHANGED", no_wrap=True, overflow="ellipsis", ratio=4)
    table.add_column("SERVICE", no_wrap=True, overflow="ellipsis", ratio=3)
    table.add_column("OPERATION", no_wrap=True, overflow="ellipsis", ratio=5)
    table.add_column("TIME", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, width=1)
    for term in terms[:MOST_TERMS]:
        table.add_row(
            term["words"],
            Text(name_of(term["service"])),
            Text(name_of(term["operation"])),
            signed(term["difference_ns"]),
            "" if term["is_real"] else "~",
            style="" if term["is_real"] else "dim",
        )
    rest = terms[MOST_TERMS:]
    if rest:
        amount = signed(sum(term["difference_ns"] for term in rest))
        table.add_row(f"{plural(len(rest), 'more term')}", "", "", amount, "", style="dim")
    what = document["statistic"]
    name = "mean trace" if what == "mean" else f"mean trace around {what}"
    table.add_section()
    table.add_row(f"all: {name}", "", "", Text(signed(compared["difference_ns"]), "bold"), "")
    return table


def _attributes(change: Mapping[str, Any]) -> Iterator[RenderableType]:
    where = f"{name_of(change['service'])} › {name_of(change['operation'])}"
    if change["root_operation"] is not None:
        where += f" in {name_of(change['root_operation'])}"
    head = Text("WHY ", "bold cyan")
    head.append(f"{where}  {signed(change['difference_ns'])}", "bold")
    yield head
    if change["note"]:
        yield Text(f"  {change['note']}")
    for cause in change["causes"][:MOST_CAUSES]:
        grid = Table.grid(padding=(0, 1), expand=False)
        grid.add_column(width=1)
        grid.add_column(width=9, justify="right", no_wrap=True)
        grid.add_column(overflow="fold")
        words = Text(predicate(cause), "bold")
        low, high = signed(cause["low_ns"]), signed(cause["high_ns"])
        words.append(
            f"  ({low} to {high}; in {cause['base_count']:,} of {change['base_traces']:,} traces "
            f"before, {cause['head_count']:,} of {change['head_traces']:,} now)",
            "not bold",
        )
        if cause["same"]:
            shown = [predicate(same) for same in cause["same"][:SHOWN_SAME]]
            rest = len(cause["same"]) - len(shown)
            more = f" and {rest} more" if rest > 0 else ""
            words.append(f"\nthe same traces: {', '.join(shown)}{more}", "dim not bold")
        grid.add_row("", signed(cause["explained_ns"]), words)
        yield grid
    for mark in change["marks"]:
        yield Text(f"  only in {mark['side']}: {predicate(mark)}", "dim")


def predicate(row: Mapping[str, Any]) -> str:
    """`db.system = postgresql`, inert and of bounded length."""
    key = shortened(inert(row["key"][:200]), _LONGEST_VALUE)
    value = shortened(inert(row["value"][:200]), _LONGEST_VALUE)
    owner = "root " if row["where"] == "root" else ""
    return f"{owner}{key} {row['comparison']} {value}"


def signed(nanoseconds: int) -> str:
    """`+1.2 ms`, `−3 µs`, `0 ns`."""
    sign = "+" if nanoseconds > 0 else "−" if nanoseconds < 0 else ""
    return sign + duration(abs(nanoseconds))


def percent(change: float, unit: str = "%") -> str:
    """`+5.2 %`, `−0.1 points`."""
    return f"{change * 100:+.1f} {unit}".replace("-", "−")
