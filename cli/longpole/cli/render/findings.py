"""Findings as text: what is wrong, in how many traces, what it costs, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.render.text import inert, name_of, sentence_of
from longpole.dashboards.figures import duration, plural, share

MOST_FINDINGS = 20
SHOWN_TRACES = 2
STYLES = {"critical": "bold red", "warning": "bold yellow", "info": "cyan"}
_COUNTED = (
    ("unsettled_explained", "explained on the fly"),
    ("incomplete", "incomplete"),
    ("late", "with late spans"),
)


def findings_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `/api/v1/findings`."""
    return Group(*_parts(document))


def _parts(document: Mapping[str, Any]) -> Iterator[RenderableType]:
    findings, coverage = document["findings"], document["coverage"]
    facts = [f"{coverage['matched']:,} matched", f"{coverage['used']:,} used"]
    facts += [f"{coverage[name]:,} {words}" for name, words in _COUNTED if coverage[name]]
    if findings:
        yield Text(f"{plural(len(findings), 'finding')} in {plural(coverage['used'], 'trace')}",
                   "bold")  # fmt: skip
    elif coverage["matched"]:
        yield Text(f"Nothing unusual in {plural(coverage['used'], 'trace')}.", "bold")
    else:
        yield Text("No trace matches.", "bold")
    yield Text(", ".join(facts), "dim")
    place_of = {finding["fingerprint"]: place for place, finding in enumerate(findings, 1)}
    for finding in findings[:MOST_FINDINGS]:
        yield Text()
        cause = place_of.get(finding["explained_by"])
        yield from _finding(finding, "" if cause is None else _due_to(cause, findings[cause - 1]))
    if len(findings) > MOST_FINDINGS:
        yield Text()
        yield Text(f"… {len(findings) - MOST_FINDINGS:,} more; --json has all of them", "dim")
    if document["info_count"]:
        yield Text()
        yield Text(f"{document['info_count']:,} more of level info; --all shows them", "dim")
    for notice in document["notices"]:
        yield Text(f"note: {inert(notice)}", "dim")


def _due_to(place: int, cause: Mapping[str, Any]) -> str:
    return f"most likely what finding {place} causes ({cause['detector']})"


def _finding(finding: Mapping[str, Any], due_to: str) -> Iterator[RenderableType]:
    head = Text()
    head.append(finding["severity"].upper(), STYLES.get(finding["severity"], "bold"))
    head.append(f"  {finding['detector']}  ", "dim")
    head.append(f"{name_of(finding['service'])} › {name_of(finding['operation'])}", "bold")
    yield head
    count = plural(finding["trace_count"], "trace")
    often = count
    if finding["roots"]:
        often += f" ({share(finding['trace_share'])} of {_roots(finding['roots'])})"
    saving = "saves no time on the critical path"
    if finding["saving_ns"]:
        saving = f"up to −{duration(finding['saving_ns'])}"
        if finding["trace_count"] > 1:
            saving += f", median −{duration(finding['median_saving_ns'])} a trace"
    yield labelled("WHY", sentence_of(finding["reason"]))
    if due_to:
        yield labelled("DUE", due_to)
    yield labelled("DO", sentence_of(finding["action"]))
    yield labelled("COST", f"{saving}; in {often}")
    ids = finding["trace_ids"][:SHOWN_TRACES]
    if ids:
        yield labelled("SEE", "  ".join(ids))


def _roots(roots: list[Mapping[str, Any]]) -> str:
    first = f"{name_of(roots[0]['service'])} · {name_of(roots[0]['operation'])}"
    return first if len(roots) == 1 else f"{first} and {len(roots) - 1} more"


def labelled(label: str, words: str) -> RenderableType:
    """A label in a narrow column and words that wrap beside it."""
    grid = Table.grid(padding=(0, 1), expand=False)
    grid.add_column(width=1)
    grid.add_column(width=4, style="bold cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("", label, Text(words))
    return grid


def findings_of_trace(findings: list[Mapping[str, Any]]) -> Iterator[RenderableType]:
    """The findings of one trace in short: one paragraph each, nothing without any."""
    if not findings:
        return
    yield Text()
    yield Text("FINDINGS", "bold")
    for finding in findings:
        grid = Table.grid(padding=(0, 1), expand=False)
        grid.add_column(width=1)
        grid.add_column(width=8, no_wrap=True)
        grid.add_column(overflow="fold")
        words = Text(finding["detector"], "bold")
        saving = f" (−{duration(finding['saving_ns'])})" if finding["saving_ns"] else ""
        words.append(saving, "not bold")
        where = f"  {name_of(finding['service'])} › {name_of(finding['operation'])}: "
        words.append(where + sentence_of(finding["reason"]), "not bold")
        level = Text(finding["severity"], STYLES.get(finding["severity"], ""))
        grid.add_row("", level, words)
        yield grid
