"""Random traces by the thousand: a seed instead of a search, since a search costs fifty times
what it looks for. Small integers, so that odd coincidences are common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from longpole.model.span import AttributeValue, Span, SpanKind
from longpole.model.trace import Trace
from tests.analyzer.span_builders import span

_FAR = (-(1 << 63), -1, (1 << 62) - 1, (1 << 62) + 1, (1 << 63) - 1)
_KINDS = (1, 1, 1, 2, 3, 3, 4, 5)
_ATTRIBUTES: tuple[Mapping[str, AttributeValue], ...] = (
    {},
    {},
    {"url.full": "http://pay/1"},
    {"url.full": "http://pay/2"},
    {"server.address": "db"},
    {"peer.service": "a", "http.request.resend_count": 1},
    {"http.request.resend_count": 2, "url.full": "http://pay/1"},
)


def seeded_traces(seed: int, count: int) -> list[Trace]:
    """So many traces with ids from 1 on: trees, nested trees, fans of calls that fail and are
    tried again, and whatever a sender might come up with, one in eight without usable ids."""
    random = Random(seed)
    shapes = (_tree, _tree, _tree, _nested, _nested, _attempts, _attempts, _anything)
    return [
        Trace(number, tuple(shapes[random.randrange(8)](random)), revision=random.randrange(3))
        for number in range(1, count + 1)
    ]


def _one(random: Random, span_id: int, parent: int, start: int, end: int) -> Span:
    return span(
        span_id, parent, start, end,
        service=random.choice("abc"),
        name=random.choice(("GET", "POST", "op")),
        kind=random.choice(_KINDS),
        error=random.random() < 0.3,
        attributes=random.choice(_ATTRIBUTES),
    )  # fmt: skip


def _tree(random: Random) -> list[Span]:
    spans = [_one(random, 20, 0, 4, 4 + random.randrange(25))]
    for span_id in random.sample(range(1, 40), random.randrange(12)):
        if span_id != 20:
            start = random.randrange(30)
            parent = random.choice(spans).span_id
            spans.append(_one(random, span_id, parent, start, start + random.randrange(13)))
    random.shuffle(spans)
    return spans


def _nested(random: Random) -> list[Span]:
    spans = [_one(random, 1, 0, 0, 60)]
    for span_id in range(2, random.randrange(3, 30)):
        parent = random.choice(spans[-4:])
        start = random.randint(parent.start_unix_nano, parent.end_unix_nano)
        end = random.randint(start, parent.end_unix_nano)
        spans.append(_one(random, span_id, parent.span_id, start, end))
    return spans


def _attempts(random: Random) -> list[Span]:
    spans = [_one(random, 1, random.choice((0, 0, 77)), 0, 90)]
    at = 0
    for span_id in range(2, random.randrange(3, 40)):
        at += random.randrange(4)
        call = _one(random, span_id, 1, at, at + random.randrange(9))
        spans.append(replace(call, kind=SpanKind.CLIENT, name="GET", service_name="a"))
        at += random.randrange(6)
    return spans


def _anything(random: Random) -> list[Span]:
    def time() -> int:
        return random.choice(_FAR) if random.random() < 0.05 else random.randrange(20)

    return [
        replace(
            _one(random, random.randrange(1, 7), random.randrange(7), time(), time()),
            kind=random.randint(-1, 7),
            status_code=random.randint(-1, 4),
        )
        for _ in range(random.randrange(1, 9))
    ]
