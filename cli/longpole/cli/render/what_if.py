"""What-if as text: root operations as they are and as they would be, or operations ranked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.render.text import inert, name_of
from longpole.dashboards.figures import duration, plural, share

MOST_ROWS = 20
# `RANKED_LEVEL` of the analyzer, which is not loaded to show a server's answer.
_RANKED_AT = 50
_FIGURES = ("mean", "p50", "p95", "p99")


def what_if_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `longpole what-if --json`."""
    return Group(*_parts(document))


def _parts(document: Mapping[str, Any]) -> Iterator[RenderableType]:
    changes, coverage = document["changes"], document["coverage"]
    for change in changes:
        head = Text("WHAT IF  ", "bold cyan")
        head.append(f"{name_of(change['service'])} › {name_of(change['operation'])}", "bold")
        head.append(f"  {change['words']}")
        yield head
        changed = change["changed_count"]
        which = plural(change["span_count"], "span")
        some = f"{changed:,} of " if changed != change["span_count"] else ""
        yield Text(f"         {some}{which} in {plural(change['trace_count'], 'trace')}", "dim")
    if not changes:
        yield Text("Operations by what making them faster could gain", "bold")
    yield Text(_coverage(coverage), "dim")
    yield Text()
    if not coverage["used"]:
        yield Text("No trace matches.", "bold")
    elif changes:
        yield from _roots(document["roots"])
    else:
        yield from _operations(document["operations"], document["operations_left_out"])
    yield Text()
    yield Text("holds as far as: " + "; ".join(document["limits"]), "dim")
    for notice in document["notices"]:
        yield Text(f"note: {inert(notice)}", "dim")


def _coverage(coverage: Mapping[str, int]) -> str:
    facts = [f"{coverage['matched']:,} matched", f"{coverage['used']:,} used"]
    for name, words in (("incomplete", "incomplete"), ("late", "with late spans")):
        if coverage[name]:
            facts.append(f"{coverage[name]:,} {words}")
    return ", ".join(facts)


def _table(*headings: str) -> Table:
    """Names to the left, of which as much is shown as there is room; figures to the right."""
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), show_edge=False)
    for heading in headings:
        if heading in ("ROOT", "OPERATION"):
            table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=1)
        else:
            table.add_column(heading, justify="right", no_wrap=True)
    return table


def _roots(roots: list[Mapping[str, Any]]) -> Iterator[RenderableType]:
    table = _table("ROOT", "AFFECTED", *(name.upper() for name in _FIGURES))
    for root in roots[:MOST_ROWS]:
        before, after = root["observed"], root["predicted"]
        pairs = [(before[f"{name}_ns"], after[f"{name}_ns"]) for name in _FIGURES]
        table.add_row(
            Text(f"{name_of(root['service'])} › {name_of(root['operation'])}"),
            f"{root['affected_count']:,}/{root['trace_count']:,}",
            *(Text(duration(was)) for was, _ in pairs),
        )
        if root["affected_count"]:
            cells = [Text(duration(now), "bold") for _, now in pairs]
            table.add_row(Text("  would be", "dim"), "", *cells)
            table.add_row("", "", *(Text(_difference(was, now), "dim") for was, now in pairs))
        else:
            table.add_row(Text("  stays as it is", "dim"), "", "", "", "", "")
    yield table
    if len(roots) > MOST_ROWS:
        yield Text(f"  … {len(roots) - MOST_ROWS:,} more; --json has all of them", "dim")


def _operations(operations: list[Mapping[str, Any]], left_out: int) -> Iterator[RenderableType]:
    if not operations:
        yield Text("No operation holds any time.", "bold")
        return
    levels = [saved["faster_percent"] for saved in operations[0]["saved"]]
    table = _table("OPERATION", "P95", *(f"−{level} %" for level in levels), "MEAN")
    for operation in operations[:MOST_ROWS]:
        root = operation["roots"][0]
        was = root["observed"]
        table.add_row(
            Text(f"{name_of(operation['service'])} › {name_of(operation['operation'])}"),
            duration(was["p95_ns"]),
            *(_gain(was["p95_ns"] - at["p95_ns"]) for at in root["predicted"]),
            _gain(was["mean_ns"] - root["predicted"][-1]["mean_ns"]),
        )
        often = f"in {root['affected_count']:,} of {root['trace_count']:,} "
        table.add_row(Text(f"  {often}{name_of(root['operation'])}", "dim"), *[""] * 5)
    yield table
    more = max(0, len(operations) - MOST_ROWS)
    if more or left_out:
        apart = f" and {left_out:,} that could save less" if left_out else ""
        yield Text(f"  … {more:,} more{apart}; --json has the rest", "dim")
    yield Text(
        "P95 of the root operation that gains most, what it would lose if the operation's own "
        f"time were so much shorter; MEAN at −{levels[-1]} %. Ranked by the gain in p95 at "
        f"−{_RANKED_AT} % times the traces of the root operation, summed over root operations",
        "dim",
    )


def _gain(saved_ns: int) -> str:
    return f"−{duration(saved_ns)}" if saved_ns > 0 else "0"


def _difference(was: int, now: int) -> str:
    if was == now:
        return "="
    sign = "−" if now < was else "+"
    return f"{sign}{share(abs(now - was) / was)}" if was else f"{sign}{duration(abs(now - was))}"
