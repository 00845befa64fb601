"""Retries: which calls of one span are attempts at the same thing, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from longpole.analyzer.calls import RESEND_COUNT, CallKey, asked_exactly, call_key
from longpole.analyzer.path_spans import PathSpans
from longpole.model.span import SpanKind, StatusCode

_CLIENT, _ERROR = int(SpanKind.CLIENT), int(StatusCode.ERROR)


def retries(
    spans: PathSpans, siblings: Sequence[int], low: Sequence[int], high: Sequence[int]
) -> list[tuple[int, int]]:
    """Pairs (failed attempt, next attempt) among the children of one span, by time within
    each call.

    Attempts are CLIENT spans that make the same call, down to the id in the URL or the literal
    in the query: a loop over thirty customers, one of whom is not found, retries nothing. Each
    but the last failed, or the next one says by its resend count that it is a repetition. If
    they do not say what exactly they ask for, all calls of the span that look alike but the
    last must have failed. Attempts without duration count.
    """
    kinds, codes = spans.kinds, spans.status_codes
    clients = [c for c in siblings if kinds[c] == _CLIENT]
    if len(clients) < 2 or not (
        any(codes[c] == _ERROR for c in clients)
        or (spans.may_have(RESEND_COUNT) and any(spans.text(c, RESEND_COUNT) for c in clients))
    ):
        return []
    by_call: dict[tuple[CallKey, str], list[int]] = {}
    for child in sorted(clients, key=lambda c: (low[c], high[c], c)):
        by_call.setdefault((call_key(spans, child), spans.names[child]), []).append(child)
    pairs: list[tuple[int, int]] = []
    for attempts in by_call.values():
        if len(attempts) > 1:
            pairs.extend(_pairs(spans, attempts, low, high))
    return pairs


def may_have_retries(spans: PathSpans) -> bool:
    """Whether it is worth asking `retries` about any span of a trace: one failed, or says that it
    is a repetition."""
    return _ERROR in spans.status_codes or spans.may_have(RESEND_COUNT)


def _pairs(
    spans: PathSpans, attempts: list[int], low: Sequence[int], high: Sequence[int]
) -> list[tuple[int, int]]:
    """The pairs among calls that look alike, in time order."""
    failed = [spans.status_codes[c] == StatusCode.ERROR for c in attempts]
    all_but_last_failed = all(failed[:-1])
    pairs: list[tuple[int, int]] = []
    latest: dict[str | None, int] = {}  # place by what exactly was asked for
    for place, following in enumerate(attempts):
        asked = asked_exactly(spans, following)
        before = place - 1
        if asked is not None:
            before = max(latest.get(asked, -1), latest.get(None, -1))
        latest[asked] = place
        if before < 0:
            continue
        one = attempts[before]
        is_same = asked is not None and asked_exactly(spans, one) == asked
        has_failed = failed[before] and (is_same or all_but_last_failed)
        if high[one] <= low[following] and (has_failed or _is_resent(spans, one, following)):
            pairs.append((one, following))
    return pairs


def _is_resent(spans: PathSpans, one: int, following: int) -> bool:
    before, after = (spans.text(i, RESEND_COUNT) or "0" for i in (one, following))
    return before.isdecimal() and after.isdecimal() and int(before[:9]) < int(after[:9])
