"""The search for a root cause as text: conclusion first, then suspects with their evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.render.text import inert, name_of, sentence_of
from longpole.dashboards.figures import duration, moment, plural, share
from longpole.model.timerange import TimeRange

MOST_SUSPECTS = 5
_EVER = TimeRange()


def root_cause_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `/api/v1/root-cause`."""
    return Group(*_parts(document))


def _parts(document: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield Text(sentence_of(document["conclusion"]), "bold")
    # What the baseline was is of no use when there is nothing to compare with it.
    for name in ("window", "baseline") if document["window"]["matched"] else ("window",):
        yield Text(_side(name, document[name]), "dim")
    suspects = document["suspects"]
    for number, suspect in enumerate(suspects[:MOST_SUSPECTS], start=1):
        yield Text()
        yield from _suspect(number, suspect)
    if len(suspects) > MOST_SUSPECTS:
        yield Text()
        yield Text(f"… {len(suspects) - MOST_SUSPECTS:,} more; --json has all of them", "dim")
    for notice in document["notices"]:
        yield Text(f"note: {inert(notice)}", "dim")


def _side(name: str, side: Mapping[str, Any]) -> str:
    traces = plural(side["matched"], "trace")
    if side["used"] != side["matched"]:
        traces += f", {side['used']:,} used"
    start, end = moment(side["start_unix_nano"])[:19], moment(side["end_unix_nano"])[:19]
    if side["start_unix_nano"] == _EVER.start_unix_nano:
        when = f"{name:<9} until {end} UTC  {traces}"
    else:
        until = end[11:] if end[:10] == start[:10] else end
        when = f"{name:<9} {start} to {until} UTC  {traces}"
    if not side["used"]:
        return when
    failed = share(side["failed"] / side["used"])
    return (
        f"{when}, mean {duration(side['mean_ns'])}, p95 {duration(side['p95_ns'])}, {failed} failed"
    )


def _suspect(number: int, suspect: Mapping[str, Any]) -> Iterator[RenderableType]:
    head = Text(f"{number}  ", "dim")
    where = name_of(suspect["service"])
    if suspect["callee"]:
        where += f" → {name_of(suspect['callee'])}"
    head.append(where, "bold not dim")
    head.append(f"  score {suspect['score']:.2f}")
    yield head
    grid = Table.grid(padding=(0, 1), expand=False)
    grid.add_column(width=2)
    grid.add_column(width=9, style="bold cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    for evidence in suspect["evidence"]:
        grid.add_row("", evidence["kind"].upper(), sentence_of(evidence["words"]))
        if evidence["examples"]:
            example = evidence["examples"][0]
            seen = f"see trace {example['trace_id']} span {example['span_id']}"
            grid.add_row("", "", Text(seen, "dim"))
    yield grid
