"""Loki's patterns: text with captures, as in `<method> <path> answered <_>`.

Two uses: `| pattern` takes labels from a line, `|>` asks whether a line is of that kind. Both look
for the texts between the captures from left to right, so that they take time linear in the line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST_CAPTURES = 100
_CAPTURE = re.compile(r"<([A-Za-z_]\w*)>")
_UNNAMED = re.compile(r"<(_)>")
NOTHING = "_"


@dataclass(frozen=True, slots=True)
class LinePattern:
    """`texts` stand around the captures, one more than `names`; the first and last may be empty."""

    texts: tuple[str, ...]
    names: tuple[str, ...]

    def captured(self, line: str) -> dict[str, str]:
        """What the captures with names hold. The pattern begins where the line begins; where its
        next text is missing, the last capture takes the rest."""
        if not line.startswith(self.texts[0]):
            return {}
        at = len(self.texts[0])
        found: dict[str, str] = {}
        for name, text in zip(self.names, self.texts[1:], strict=True):
            end = line.find(text, at) if text else -1
            value = line[at:] if end < 0 else line[at:end]
            if name != NOTHING:
                found[name] = value
            if end < 0:
                break
            at = end + len(text)
        return found

    def is_met(self, line: str) -> bool:
        """Whether a line is of this kind: the texts follow each other with something in each
        capture, and nothing comes after the last text."""
        if not line or self.texts == ("",):
            return not line and self.texts == ("",)
        at = 0
        for place, text in enumerate(self.texts):
            if not text:
                continue
            found = line.find(text, at)
            if found < 0 or (place and found == at):
                return False
            at = found + len(text)
        return (at < len(line)) == (not self.texts[-1])


def line_pattern(text: str, *, needs_name: bool) -> LinePattern | str:
    """The pattern behind a text, or what is wrong with it. `needs_name` as for `| pattern`, which
    is of no use without a named capture; a filter has only `<_>`, and `<script>` is text there."""
    pieces = (_CAPTURE if needs_name else _UNNAMED).split(text)
    texts, names = pieces[::2], pieces[1::2]
    if any(not between for between in texts[1:-1]):
        return "captures need text between them"
    if len(names) > MOST_CAPTURES:
        return f"a pattern has at most {MOST_CAPTURES} captures"
    named = [name for name in names if name != NOTHING]
    if needs_name and not named:
        return "at least one capture needs a name"
    if len(set(named)) < len(named):
        return "two captures have one name"
    if not needs_name and not any(texts):
        return "a pattern needs some text"
    return LinePattern(tuple(texts), tuple(names))


def are_of_a_kind(patterns: Sequence[LinePattern], line: str) -> bool:
    """Whether a line meets any of these patterns."""
    return any(one.is_met(line) for one in patterns)
