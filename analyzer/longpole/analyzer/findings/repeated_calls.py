"""Repeated calls: equal calls that one request makes again and again."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from statistics import median

from longpole.analyzer.calls import (
    DB_SYSTEM,
    MESSAGING_SYSTEM,
    QUERY_TEXT,
    URL,
    CallKey,
    asked_exactly,
)
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.survey import FEWEST_ALIKE, Survey, survey_of
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.retries import retries
from longpole.model.span import SpanKind

METHOD = ("http.request.method", "http.method")
_NOTE = "repeated_calls"
_CLIENT = int(SpanKind.CLIENT)
DATABASE = (*DB_SYSTEM, *QUERY_TEXT)
# Polling leaves pauses between its calls that are long beside the calls themselves.
_POLLING_PAUSE_NS = 20_000_000
_POLLING_RATIO = 3

_HOUSEKEEPING = re.compile(
    r"\s*(?:begin|commit|rollback|savepoint|release|start\s+transaction|set|ping|auth|hello"
    r"|multi|exec|connect|select\s+1\s*;?\s*$)\b",
    re.IGNORECASE,
)
_BATCHED_QUERY = re.compile(
    r"\bin\s*\([^()]*,[^()]*\)|\bany\s*\(|\bvalues\s*\([^()]*\)\s*,\s*\(|^\s*(?:mget|mset)\b",
    re.IGNORECASE,
)
_BATCHED_URL = re.compile(r"[?&][^=&]*=[^&]*(?:,|%2c)|\b(?:batch|bulk)\b", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\?|\$\d+|%s|%\(\w+\)s|@\w+|(?<![\w:]):[A-Za-z_]\w*|\{[^}]*\}|<[^>]+>")
_READS = re.compile(
    r"\s*(?:\(\s*)*(?:select|with|get|mget|hget|hgetall|hmget|find|show|exists|llen|lrange"
    r"|smembers|scan|match)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class RepeatedCalls:
    """Equal calls of one request, parameters aside, in time order.

    `askings` counts what exactly was asked for; empty when the spans do not say, because
    parameters were taken out of queries or travel in bodies.
    """

    calls: list[int]
    key: CallKey
    entry: int
    is_database: bool
    is_reading: bool
    askings: Counter[str]

    @property
    def different(self) -> int:
        """How many different things were asked for, as far as the spans can tell."""
        return len(self.askings) or len(self.calls)


def repeated_calls(explanation: Explanation) -> list[RepeatedCalls]:
    """At least `FEWEST_ALIKE` equal calls each, by first call. Retries, polling, calls that
    ask for many things at once, and a database's housekeeping are left out."""
    survey = survey_of(explanation)
    noted: list[RepeatedCalls] | None = survey.noted.get(_NOTE)
    if noted is not None:
        return noted
    spans = explanation.spans
    repeated: list[RepeatedCalls] = []
    families = survey.families
    messages, queries = (
        (spans.texts(MESSAGING_SYSTEM), spans.texts(QUERY_TEXT)) if families else (None, None)
    )
    for family in families:
        below: dict[int, list[int]] = {}
        for call in family:
            if spans.kinds[call] == _CLIENT:
                is_call = messages is None or messages[call] is None
            else:  # old instrumentations leave the kind of a query's span at INTERNAL
                is_call = queries is not None and queries[call] is not None
            if is_call:
                below.setdefault(survey.entry(call), []).append(call)
        for entry, made in below.items():
            if len(made) < FEWEST_ALIKE:
                continue  # what exactly they ask for takes longer to find out than all the rest
            groups: dict[CallKey, list[int]] = {}
            for call in made:
                groups.setdefault(survey.calls.key(call), []).append(call)
            for key, calls in groups.items():
                if len(calls) >= FEWEST_ALIKE:
                    found = _repeated(explanation, survey, entry, key, calls)
                    if found is not None:
                        repeated.append(found)
    repeated.sort(key=lambda r: r.calls[0])
    survey.noted[_NOTE] = repeated
    return repeated


def is_database(spans: PathSpans, index: int) -> bool:
    """Whether a span asks a database."""
    return spans.text(index, DATABASE) is not None


def _repeated(
    explanation: Explanation, survey: Survey, entry: int, key: CallKey, calls: list[int]
) -> RepeatedCalls | None:
    spans = explanation.spans
    calls = _without_attempts(explanation, calls)
    if len(calls) < FEWEST_ALIKE:
        return None
    calls.sort(key=lambda c: (spans.starts[c], c))
    first = calls[0]
    asks_database = is_database(spans, first)
    asked = asked_exactly(spans, first) or ""
    if asks_database:
        query = spans.text(first, QUERY_TEXT) or spans.names[first]
        if (
            _HOUSEKEEPING.match(query)
            or _BATCHED_QUERY.search(query)
            or spans.names[first].upper().startswith("BATCH")
        ):
            return None
        is_reading = _READS.match(query) is not None
    else:
        if _BATCHED_URL.search(asked):
            return None
        is_reading = (spans.text(first, METHOD) or "").upper() in ("GET", "HEAD")
    askings: Counter[str] = Counter()
    for call in calls:
        exact = _exactly(spans, call, asks_database)
        if exact is None:
            askings.clear()
            break
        askings[exact] += 1
    repeated = RepeatedCalls(calls, key, entry, asks_database, is_reading, askings)
    return None if len(askings) <= 1 and _is_polling(survey, calls) else repeated


def _without_attempts(explanation: Explanation, calls: list[int]) -> list[int]:
    spans, windows = explanation.spans, explanation.windows
    if not any(spans.status_codes[c] == 2 for c in calls):
        return calls
    by_parent: dict[int, list[int]] = {}
    for call in calls:
        by_parent.setdefault(explanation.tree.parents[call], []).append(call)
    attempts = {
        attempt
        for siblings in by_parent.values()
        for pair in retries(spans, siblings, windows.starts, windows.ends)
        for attempt in pair
    }
    return [call for call in calls if call not in attempts]


def _exactly(spans: PathSpans, call: int, asks_database: bool) -> str | None:
    """What a call asks for with every parameter; None when a part of it is out of sight."""
    exact = asked_exactly(spans, call)
    if exact is None or _PLACEHOLDER.search(exact if asks_database else exact.split("?", 1)[0]):
        return None
    if asks_database:
        return exact
    # A path without its query string may hide the parameters there.
    return exact if spans.text(call, (*URL, "http.target")) is not None else None


def _is_polling(survey: Survey, calls: list[int]) -> bool:
    spans = survey.explanation.spans
    pauses = [
        spans.starts[after] - spans.ends[before]
        for before, after in zip(calls, calls[1:], strict=False)
    ]
    usual = median(survey.durations[call] for call in calls)
    return median(pauses) >= max(_POLLING_PAUSE_NS, _POLLING_RATIO * usual)
