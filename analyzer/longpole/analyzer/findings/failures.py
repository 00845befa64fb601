"""Failures: which spans failed, which of them only say no, and where a failure came from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from longpole.analyzer.critical_path import DetachReason
from longpole.analyzer.explain import Explanation
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.tree import NO_PARENT
from longpole.analyzer.wording import quoted
from longpole.model.span import SpanKind, StatusCode

HTTP_STATUS = ("http.response.status_code", "http.status_code")
ERROR_TYPE = ("error.type",)
_GRPC_STATUS = ("rpc.grpc.status_code",)
# The callee did its part and said no: bad argument, not found, exists, no leave, not now, out of
# range, who are you. Whether that is a failure is the caller's to say.
_GRPC_ANSWERS = frozenset({"3", "5", "6", "7", "9", "11", "16"})
_TOO_LATE_OR_TOO_MANY = (408, 429)
_SERVER = int(SpanKind.SERVER)
_GRPC_DETAILS = re.compile(r'\bdetails = "([^"]+)"')
_LONGEST_MESSAGE = 2_000
_SHORTEST_MESSAGE = 8  # below, that two messages are alike says nothing


def http_status(spans: PathSpans, index: int) -> int | None:
    """The status of an HTTP answer, where a span has one that is a number."""
    text = spans.text(index, HTTP_STATUS)
    return int(text) if text is not None and text.isdecimal() and len(text) == 3 else None


def is_answer(spans: PathSpans, index: int) -> bool:
    """Whether a call got an answer that says no, like a 404: the caller may well expect it.
    A timeout (408) and a refused surplus (429) are failures."""
    status = http_status(spans, index)
    if status is not None:
        return 400 <= status < 500 and status not in _TOO_LATE_OR_TOO_MANY
    return spans.text(index, _GRPC_STATUS) in _GRPC_ANSWERS


def error_words(spans: PathSpans, index: int) -> str:
    """What a failed span says about it, for brackets in a sentence; empty when it says nothing."""
    words = _plain(spans.status_messages[index]) or spans.text(index, ERROR_TYPE) or ""
    status = http_status(spans, index)
    if not words or words == str(status):
        words = f"HTTP {status}" if status is not None else words
    return quoted(words)


def _plain(message: str) -> str:
    """What the server said, out of the several lines that gRPC for Python makes of it."""
    found = _GRPC_DETAILS.search(message[:_LONGEST_MESSAGE]) if "details" in message else None
    return found[1] if found else message


def chain_words(spans: PathSpans, chain: Sequence[int]) -> str:
    """What the failed spans of a chain, its origin first, say: the first message of one, else
    the origin's error type or HTTP status. Servers often keep to the status."""
    for index in chain:
        if spans.status_messages[index]:
            return quoted(_plain(spans.status_messages[index]))
    return error_words(spans, chain[0])


@dataclass(frozen=True, slots=True)
class Failures:
    """The chains of failure of one trace. `depths[i]` counts the failed spans on the chain from
    span i down, 0 when it did not fail; `below[i]` is the next span of that chain, -1 at its
    origin. A span of a service's inside that leaves its status unset stands in nobody's way: the
    error went through it."""

    depths: list[int]
    below: list[int]

    def chain(self, top: int) -> list[int]:
        """From `top` down to the lowest span."""
        chain = [top]
        while (following := self.below[chain[-1]]) >= 0:
            chain.append(following)
        return chain


def from_origin(explanation: Explanation, failures: Failures, top: int) -> list[int]:
    """The failed spans of a chain, from where the failure began up to `top`. It began where
    somebody made a failure out of it: a call that was only told no is not yet one."""
    spans = explanation.spans
    chain = failures.chain(top)
    while len(chain) > 1 and (
        lets_through(spans, chain[-1])
        or (spans.kinds[chain[-1]] == SpanKind.CLIENT and is_answer(spans, chain[-1]))
    ):
        chain.pop()
    chain.reverse()
    return chain


def failures_of(explanation: Explanation) -> Failures:
    """The chains of failure, along calls that somebody waited for.

    Of several failed children the one whose message the parent repeats is the cause; else the one
    with the longest chain; else the last one to end, which is the last attempt of several.
    """
    spans, tree = explanation.spans, explanation.tree
    own = failed_ones(spans)
    depths = [0] * len(spans)
    below = [NO_PARENT] * len(spans)
    has_failed_child = bytearray(len(spans))
    parents = tree.parents
    for index in reversed(tree.order):
        has_failed = own[index]
        if has_failed_child[index]:
            failed = [
                child
                for child in tree.children[index]
                if depths[child] and is_awaited(explanation, child)
            ]
            if failed and (has_failed or lets_through(spans, index)):
                cause = max(
                    failed,
                    key=lambda c: (
                        has_failed and _says_the_same(spans, c, index),
                        depths[c],
                        spans.ends[c],
                        c,
                    ),
                )
                below[index] = cause
                depths[index] = depths[cause]
        depths[index] += has_failed
        if depths[index] and parents[index] >= 0:
            has_failed_child[parents[index]] = True
    return Failures(depths, below)


def failed_ones(spans: PathSpans) -> list[bool]:
    """By index what `is_failed` says."""
    failed = [False] * len(spans)
    for index in spans.failed():
        failed[index] = True
    if spans.texts(HTTP_STATUS) is not None or spans.texts(_GRPC_STATUS) is not None:
        for index, kind in enumerate(spans.kinds):
            if kind == _SERVER and not failed[index]:
                failed[index] = is_failed(spans, index)
    return failed


def is_failed(spans: PathSpans, index: int) -> bool:
    """Whether a span failed: its status says so, or it is a server that answered no (4xx, or
    what gRPC has for it), for which the conventions leave the status unset."""
    if spans.status_codes[index] == StatusCode.ERROR:
        return True
    if spans.kinds[index] != SpanKind.SERVER:
        return False
    status = http_status(spans, index)
    if status is not None:
        return status >= 400
    return spans.text(index, _GRPC_STATUS) not in (None, "0")


def is_awaited(explanation: Explanation, index: int) -> bool:
    """Whether a child's failure can be its parent's: what takes a message works for nobody who
    waits."""
    return (
        explanation.detached.get(index) is not DetachReason.PRODUCER_CONSUMER
        and explanation.spans.kinds[index] != SpanKind.CONSUMER
    )


def lets_through(spans: PathSpans, index: int) -> bool:
    """Whether an error passes a span that does not tell of it."""
    return (
        spans.kinds[index] in (SpanKind.INTERNAL, SpanKind.UNSPECIFIED)
        and spans.status_codes[index] == StatusCode.UNSET
    )


def _says_the_same(spans: PathSpans, child: int, parent: int) -> bool:
    # Each service tends to put a word of its own before the message: `ship: no such country`.
    said, repeated = (spans.status_messages[i].rpartition(": ")[2] for i in (child, parent))
    if min(len(said), len(repeated)) < _SHORTEST_MESSAGE:
        return False
    return said in repeated or repeated in said
