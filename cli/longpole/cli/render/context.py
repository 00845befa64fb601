"""The context of a trace as text: only what is telling, a line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from longpole.analyzer.wording import metric_text
from longpole.cli.render.text import inert, name_of, sentence_of, shortened
from longpole.dashboards.figures import duration, moment, share
from longpole.dashboards.run_words import capped_share

_LONGEST_BODY = 160
# Within this of each other two ratios or times are the same to a reader.
_CLOSE = 1.3
# A range of shares this wide says nothing.
_VAGUE = 0.5


def context_of_trace(context: Mapping[str, Any] | None, start: int) -> Iterator[RenderableType]:
    """`context` is that of the trace's report; `start` is when its root began. Nothing without
    anything to tell."""
    if not context:
        return
    blocks = [block for place in context["places"] if (block := _place(place))]
    blocks += [_gap(gap, start) for gap in context["gaps"]]
    if not blocks:
        return
    yield Text()
    yield Text("CONTEXT", "bold")
    for head, rows in blocks:
        yield Padding(Text(head), (0, 0, 0, 2))
        grid = Table.grid(padding=(0, 1), expand=False)
        grid.add_column(width=3)
        grid.add_column(width=8, style="cyan", no_wrap=True)
        grid.add_column(overflow="fold")
        for label, words in rows:
            grid.add_row("", label, words)
        yield grid


_Block = tuple[str, list[tuple[str, str]]]


def _place(place: Mapping[str, Any]) -> _Block | None:
    rows: list[tuple[str, str]] = []
    if place["red"]:
        rows.append(("runs", _red(place["red"])))
    logs = place["logs"]
    rows += [("log", _line(line)) for line in logs["worst"]]
    rows += [("nearby", nearby_words(one)) for one in place["nearby"]]
    rows += [("pattern", _pattern(one)) for one in place["patterns"]]
    rows += [("metric", move_words(one)) for one in place["metrics"]]
    if not rows:
        return None
    return f"{name_of(place['service'])} › {name_of(place['operation'])}", rows


def _red(red: Mapping[str, Any]) -> str:
    low, high, now, before = (
        red[name] for name in ("faster_share_low", "faster_share_high", "now", "before")
    )
    words = f"this one is {_rank(low, high)} {red['others']:,} others"
    if now["p50_ns"] is not None:
        words += f"; median about {duration(now['p50_ns'])}"
        if before and before["p50_ns"] and not _alike(now["p50_ns"], before["p50_ns"]):
            words += f" (before: {duration(before['p50_ns'])})"
    words += f"; {now['rate_per_second']:.3g} a second"
    if before and not _alike(now["rate_per_second"], before["rate_per_second"]):
        words += f" (before: {before['rate_per_second']:.3g})"
    if now["error_ratio"] or (before and before["error_ratio"]):
        words += f"; {share(now['error_ratio'])} failed"
        if before:
            words += f" (before: {share(before['error_ratio'])})"
    return words


def _rank(low: float, high: float) -> str:
    """A histogram knows only between which shares of the others this one is."""
    if high - low > _VAGUE:
        return "about as slow as"
    if low == 1:
        return "slower than all"
    if capped_share(low) == capped_share(high):
        return f"slower than {capped_share(low)} of"
    if high == 1:
        return f"among the slowest {share(round(1 - low, 6))} of"
    if low == 0:
        return f"among the fastest {share(high)} of"
    return f"slower than at least {capped_share(low)}, at most {capped_share(high)} of"


def _alike(one: float, other: float) -> bool:
    low, high = sorted((one, other))
    return high <= low * _CLOSE


def _line(line: Mapping[str, Any]) -> str:
    at = moment(line["time_unix_nano"])[11:]
    return f"{at} {line['level'].upper() or '-'} {_body(line['body'])}"


def nearby_words(one: Mapping[str, Any]) -> str:
    """A log pattern that keeps to some time, in a line. Of several records the template is shown:
    any one of them would speak of another request."""
    expected = one["expected"]
    usual = f"{expected:.1g}" if expected < 10 else f"{expected:,.0f}"
    return (
        f"{one['inside']:,}× in just that time, where {usual} would be usual: "
        f"{_body(one['example'] if one['inside'] == 1 else one['template'])}"
    )


def _pattern(one: Mapping[str, Any]) -> str:
    state = "new around then" if one["state"] == "new" else "more often around then"
    level = f"{one['level'].upper()} " if one["level"] else ""
    return f"{state}, {one['count']:,}×: {level}{_body(one['template'])}"


def move_words(one: Mapping[str, Any]) -> str:
    """A metric that stands out, in a line."""
    name = name_of(one["name"])
    labels = ", ".join(f"{name_of(v)}" for v in one["attributes"].values())
    where = f" ({shortened(labels, 60)})" if labels else ""
    value, usual = (
        metric_text(one[which], inert(one["unit"]), one["aspect"]) for which in ("value", "usual")
    )
    return f"{name}{where}: {value}, usually {usual}"


def _gap(gap: Mapping[str, Any], start: int) -> _Block:
    length = gap["end_unix_nano"] - gap["start_unix_nano"]
    after = gap["start_unix_nano"] - start
    kind = "between two services" if gap["is_network"] else "without any span"
    head = (
        f"{duration(length)} {kind} at +{duration(after)}: "
        f"{name_of(gap['service'])} › {name_of(gap['operation'])}, {inert(gap['where'])}"
    )
    rows = [("log", _line(line)) for line in gap["logs"]]
    rows += [("nearby", nearby_words(one)) for one in gap["nearby"]]
    return head, rows


def _body(text: str) -> str:
    return shortened(sentence_of(text), _LONGEST_BODY)
