"""Words for numbers: durations, shares, counts and pieces of telemetry inside sentences."""

from __future__ import annotations

import re

_SENTENCE_END = re.compile(r"\. ")
_SELECT = re.compile(r"select\s", re.IGNORECASE)
_FROM_OR_PAREN = re.compile(r"[()]|\bfrom\s", re.IGNORECASE)
_LONGEST_QUERY = 4_000
_UNITS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs"))
_LONGEST_QUOTE = 100
_ASPECTS = {"rate": " a second", "mean": " on average"}
_LONGEST_NAME = 60


def duration_text(ns: int) -> str:
    """Three digits and a unit: `1.42 s`, `29.6 ms`, `310 µs`, `5 ns`."""
    for size, unit in _UNITS:
        # 999.6 µs would round to `1000 µs`, so it already counts as the bigger unit.
        if ns * 1000 >= size * 999.5:
            value = ns / size
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            text = f"{value:.{digits}f}"
            return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}"
    return f"{ns} ns"


def between_text(least_ns: int, most_ns: int) -> str:
    """`2 ms to 5 ms`, and once where both read the same."""
    least, most = duration_text(least_ns), duration_text(most_ns)
    return least if least == most else f"{least} to {most}"


def share_text(share: float) -> str:
    """`74 %`; small shares keep a digit, so that nothing on the path reads as 0 %."""
    percent = share * 100
    return f"{percent:.0f} %" if percent >= 9.5 else f"{percent:.1f} %"


def times_text(ratio: float) -> str:
    """`4.2 times`; from ten on two digits are all that a reader keeps: `about 14,000 times`."""
    if ratio < 9.95:
        return f"{ratio:.1f} times"
    return f"about {float(f'{ratio:.2g}'):,.0f} times"


def metric_text(value: float, unit: str, aspect: str) -> str:
    """`980 MiB`, `0.0428 s on average`, `12.5 a second`; four digits. What is counted a second is
    not what the unit says (of a histogram), so a rate goes without; 1 and notes are no units."""
    if aspect == "rate" or unit == "1" or unit.startswith("{"):
        unit = ""
    return f"{value:.4g}" + (f" {_cut(unit, 20)}" if unit else "") + _ASPECTS.get(aspect, "")


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 call`, `12 calls`, `2 queries`."""
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"


def quoted(text: str) -> str:
    """Telemetry inside a sentence: one line, cut to a length that can be read."""
    return _cut(text, _LONGEST_QUOTE)


def quoted_query(text: str) -> str:
    """The same for a query. Of one that is too long, what it selects is left out first: which
    table it reads and by what says more than its columns (`SELECT … FROM orders WHERE id = ?`)."""
    line = " ".join(text[:_LONGEST_QUERY].split())
    if len(line) > _LONGEST_QUOTE and _SELECT.match(line):
        depth = 0
        for found in _FROM_OR_PAREN.finditer(line):
            if found[0] in "()":
                depth += 1 if found[0] == "(" else -1
            elif depth <= 0:
                return _cut(f"{line[:6]} … {line[found.start() :]}", _LONGEST_QUOTE)
    return _cut(line, _LONGEST_QUOTE)


def first_sentence(text: str) -> str:
    """The first sentence of a text of ours, cut like a quotation; it may end inside one."""
    end = _SENTENCE_END.search(text)
    return quoted(text[: end.start() + 1] if end else text)


def named(text: str) -> str:
    """A service, an operation or a peer inside a sentence, which may name several of them."""
    return _cut(text, _LONGEST_NAME)


def _cut(text: str, longest: int) -> str:
    line = " ".join(text[: 4 * longest].split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"
