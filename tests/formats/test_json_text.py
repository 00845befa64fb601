"""Text that is no Unicode costs itself, not the batch it came in."""

from __future__ import annotations

import pytest

from longpole.formats import otlp
from longpole.formats.json_text import parse_json
from longpole.formats.malformed import MalformedRequest
from longpole.formats.rows import spans_of
from longpole.model.signals import Signal

SPANS = (
    b'{"resourceSpans":[{"scopeSpans":[{"spans":['
    b'{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"good"},'
    b'{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b175","name":"%s"}'
    b"]}]}]}"
)


@pytest.mark.parametrize("name", [rb"x\ud83d", rb"x\uDE00", b"x\xff"])
def test_a_text_that_is_no_unicode_is_mended_and_its_batch_kept(name: bytes) -> None:
    told = otlp.decode_json(Signal.TRACES, SPANS % name)
    assert [span.name for span in spans_of(told.tables)] == ["good", "x\ufffd"]
    assert told.rejected == 0
    assert [problem.code for problem in told.problems] == ["invalid_utf8"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (rb'"\\ud83d \ud83d"', "\\ud83d \ufffd"),  # an escaped backslash begins no escape
        (rb'"\ud83d\ude00 \ud83d"', "\U0001f600 \ufffd"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (rb'"\n\ude00\""', '\n\ufffd"'),
    ],
)
def test_only_the_lone_half_is_replaced(text: bytes, value: str) -> None:
    assert parse_json(text) == value


def test_what_stays_broken_is_refused_with_its_place() -> None:
    with pytest.raises(MalformedRequest, match="line 1 column"):
        parse_json(b'{"a":"\xff", nonsense')
