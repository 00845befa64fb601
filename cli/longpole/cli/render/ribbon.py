"""The time ribbon on a terminal: one letter a column says who was on the critical path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from longpole.cli.render.text import inert, shortened
from longpole.dashboards.figures import share

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MOST_NAMES = 8
INDENT = " " * 7
COLOURS = ("blue", "green", "magenta", "yellow", "cyan", "red", "white")


class Ribbon:
    """Takes the width it is given; services in the order of their time, from A on."""

    def __init__(self, segments: Sequence[Mapping[str, Any]]) -> None:
        self._segments = segments
        held: Counter[str] = Counter()
        for segment in segments:
            held[segment["service"]] += segment["end_unix_nano"] - segment["start_unix_nano"]
        self._total = sum(held.values())
        self._held = sorted(held.items(), key=lambda item: (-item[1], item[0]))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._total == 0:
            return
        rank = {service: index for index, (service, _) in enumerate(self._held)}
        line = Text("TIME   ", "bold", no_wrap=True)
        for service in self._columns(max(10, options.max_width - 7)):
            index = rank[service]
            letter = LETTERS[index] if index < len(LETTERS) else "·"
            line.append(letter, f"reverse {COLOURS[index % len(COLOURS)]}")
        yield line
        yield from self._legend(options.max_width)

    def _legend(self, width: int) -> Iterator[Text]:
        """Letters, names and shares; an entry is never broken over two lines."""
        entries = [
            f"{LETTERS[index]} {shortened(inert(service), 24)} {share(held / self._total)}"
            for index, (service, held) in enumerate(self._held[:MOST_NAMES])
        ]
        if len(self._held) > MOST_NAMES:
            entries.append(f"and {len(self._held) - MOST_NAMES} more")
        line = ""
        for entry in entries:
            if line and len(INDENT) + len(line) + 3 + len(entry) > width:
                yield Text(INDENT + line)
                line = ""
            line = f"{line}   {entry}" if line else entry
        yield Text(INDENT + line)

    def _columns(self, width: int) -> list[str]:
        """The service that holds the most of each column's time."""
        segments = self._segments
        begin = segments[0]["start_unix_nano"]
        columns: list[str] = []
        index = 0
        for column in range(width):
            start = begin + column * self._total // width
            end = begin + (column + 1) * self._total // width
            while index < len(segments) - 1 and segments[index]["end_unix_nano"] <= start:
                index += 1
            held: Counter[str] = Counter()
            at = index
            while at < len(segments) and segments[at]["start_unix_nano"] < max(end, start + 1):
                inside = min(segments[at]["end_unix_nano"], end) - max(
                    segments[at]["start_unix_nano"], start
                )
                held[segments[at]["service"]] += max(0, inside)
                at += 1
            columns.append(max(held, key=lambda s: held[s]) if held else segments[index]["service"])
        return columns
