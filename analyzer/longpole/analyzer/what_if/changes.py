"""Changes: what a person supposes about an operation, and how it is written.

payment-service/SELECT card_history: -50%        its own time halves
order-service/GET *: whole -20%                  the calls with all that is below them
payment-service/*: +30ms                         each call takes so much longer
payment-service/POST /charge: cap 50ms           no call takes longer
payment-service/POST /charge: own cap 50ms       none spends more time of its own
inventory-service/db.pool.acquire: removed       it takes no time at all
user-service/GET /users/{id}: cached 80%         so many calls are answered at once
gateway/GET: parallel                            siblings begin with the first of them
order-service/SELECT order_lines: once           of siblings only the last remains
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from longpole.analyzer.columnar.retiming import LONGEST_NS, MOST_PARTS, PARTS
from longpole.analyzer.wording import duration_text
from longpole.model.problem import LongpoleError

# As the reports print an operation; the first of them in the text counts.
SEPARATORS = (" › ", "/")
_LONGEST_TEXT = 1000
_MOST_CHANGES = 50
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9,
          "min": 60 * 10**9, "h": 3600 * 10**9}  # fmt: skip
_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)"
_SPAN_OF_TIME = rf"{_NUMBER}\s*(ns|us|µs|ms|s|m|min|h)"
_PERCENT = re.compile(rf"(?:(own|whole)\s+)?([-+])\s*{_NUMBER}\s*%")
_PERCENT_IN_WORDS = re.compile(rf"(?:(own|whole)\s+)?{_NUMBER}\s*%\s+(faster|slower)")
_ADDED = re.compile(rf"([-+])\s*{_SPAN_OF_TIME}")
_CAP = re.compile(rf"(?:(own|whole)\s+)?(?:cap|at most)\s+{_SPAN_OF_TIME}")
_CACHED = re.compile(rf"cached\s+{_NUMBER}\s*%")
EXAMPLES = "-50%, +20%, whole -50%, +30ms, cap 50ms, removed, cached 80%, parallel, once"


class ChangeSyntaxError(LongpoleError):
    """A change that does not read as one; the message says what would."""


class Kind(StrEnum):
    """What happens to the spans of an operation."""

    SCALE = "scale"
    ADD = "add"
    CAP = "cap"
    CACHED = "cached"
    PARALLEL = "parallel"
    ONCE = "once"


class Scope(StrEnum):
    """Whether a change is about the time a span spends itself, or with all below it."""

    OWN = "own"
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Change:
    """One supposition about the operations that `service` and `operation` name, in which `*`
    stands for anything.

    `amount` is parts per million of the time for SCALE, nanoseconds for ADD and CAP, parts per
    million of the calls for CACHED, and 0 for the others. A scale is about a span's own time
    unless it says otherwise; everything else is about the whole call.
    """

    service: str
    operation: str
    kind: Kind
    amount: int = 0
    scope: Scope = Scope.WHOLE

    def matches(self, service: str, operation: str) -> bool:
        """Whether the change is about this operation."""
        return _fits(self.service, service) and _fits(self.operation, operation)

    @property
    def words(self) -> str:
        """What is supposed, without the operation: `−50 % of its own time`."""
        its = "its own time" if self.scope is Scope.OWN else "the whole call"
        if self.kind is Kind.SCALE:
            if self.amount == 0:
                return f"without {its}"
            percent = (self.amount - PARTS) / (PARTS // 100)
            return f"{'−' if percent < 0 else '+'}{abs(percent):g} % of {its}"
        if self.kind is Kind.ADD:
            sign = "−" if self.amount < 0 else "+"
            return f"{sign}{duration_text(abs(self.amount))} a call"
        if self.kind is Kind.CAP:
            return f"{its} at most {duration_text(self.amount)}"
        if self.kind is Kind.CACHED:
            return f"{self.amount / (PARTS // 100):g} % of the calls answered from a cache"
        if self.kind is Kind.PARALLEL:
            return "siblings in parallel"
        return "once instead of several times in a row"


def parse_changes(texts: list[str]) -> tuple[Change, ...]:
    """Several changes, which hold together. Raises `ChangeSyntaxError`."""
    if len(texts) > _MOST_CHANGES:
        raise ChangeSyntaxError(f"{len(texts)} changes at once; {_MOST_CHANGES} are the most")
    return tuple(parse_change(text) for text in texts)


def parse_change(text: str) -> Change:
    """One change as written above. Raises `ChangeSyntaxError`."""
    if len(text) > _LONGEST_TEXT:
        raise ChangeSyntaxError(f"a change of more than {_LONGEST_TEXT:,} characters")
    target, colon, what = text.rpartition(":")
    service, operation = _target(target.strip())
    if not colon or not service or not operation:
        raise ChangeSyntaxError(
            f"change: {text[:80]!r} does not name an operation; write SERVICE/OPERATION: CHANGE, "
            "for example 'payment-service/SELECT card_history: -50%'"
        )
    kind, amount, scope = _supposed(what.strip().lower().replace("−", "-"), text)
    return Change(service, operation, kind, amount, scope)


def _target(text: str) -> tuple[str, str]:
    found = [(text.find(mark), mark) for mark in SEPARATORS if mark in text]
    if not found:
        return "", ""
    at, mark = min(found)
    return text[:at].strip(), text[at + len(mark) :].strip()


def _supposed(what: str, text: str) -> tuple[Kind, int, Scope]:
    if found := _PERCENT.fullmatch(what):
        scope, sign, number = found.groups()
        return Kind.SCALE, _scaled(sign, number, text), Scope(scope or Scope.OWN)
    if found := _PERCENT_IN_WORDS.fullmatch(what):
        scope, number, direction = found.groups()
        sign = "-" if direction == "faster" else "+"
        return Kind.SCALE, _scaled(sign, number, text), Scope(scope or Scope.OWN)
    if found := _ADDED.fullmatch(what):
        sign, number, unit = found.groups()
        amount = _nanoseconds(number, unit)
        return Kind.ADD, -amount if sign == "-" else amount, Scope.WHOLE
    if found := _CAP.fullmatch(what):
        scope, number, unit = found.groups()
        return Kind.CAP, _nanoseconds(number, unit), Scope(scope or Scope.WHOLE)
    if found := _CACHED.fullmatch(what):
        parts = round(float(found[1]) * PARTS / 100)
        if parts > PARTS:
            raise ChangeSyntaxError(f"change: {text[:80]!r} caches more than all calls")
        return Kind.CACHED, parts, Scope.WHOLE
    if what == "removed":
        return Kind.SCALE, 0, Scope.WHOLE
    if what in (Kind.PARALLEL, Kind.ONCE):
        return Kind(what), 0, Scope.WHOLE
    raise ChangeSyntaxError(
        f"change: {what[:80]!r} says nothing that can be supposed; write one of {EXAMPLES}"
    )


def _scaled(sign: str, number: str, text: str) -> int:
    parts = round(float(number) * PARTS / 100)
    if sign == "-" and parts > PARTS:
        raise ChangeSyntaxError(f"change: {text[:80]!r} takes away more than all of it")
    if sign == "+" and PARTS + parts > MOST_PARTS:
        raise ChangeSyntaxError(f"change: {text[:80]!r} is more than ten times as long")
    return PARTS - parts if sign == "-" else PARTS + parts


def _nanoseconds(number: str, unit: str) -> int:
    return min(round(float(number) * _UNITS[unit]), LONGEST_NS)


def _fits(pattern: str, text: str) -> bool:
    """Whether `text` fits a pattern in which `*` stands for anything; no backtracking."""
    pieces = pattern.split("*")
    if len(pieces) == 1:
        return pattern == text
    if not text.startswith(pieces[0]):
        return False
    at = len(pieces[0])
    for piece in pieces[1:-1]:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(text) - len(pieces[-1]) >= at and text.endswith(pieces[-1])
