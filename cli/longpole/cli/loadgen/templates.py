"""A request encoded once, and sent many times with other ids, times and values in it."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from google.protobuf.json_format import MessageToDict

from longpole.cli.loadgen.mixing import U64
from longpole.cli.loadgen.placeholders import DECIMALS, IDS, TIMES, Kind, Placeholder, Placeholders

_BASE64_ID = re.compile(rb'"(traceId|spanId|parentSpanId)":"([A-Za-z0-9+/=]+)"')
_WINDOW = 8


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the numbers of a kind stand: byte positions (occurrences, width), and for each
    occurrence which of the numbers it is."""

    kind: Kind
    positions: npt.NDArray[np.int64]
    which: npt.NDArray[np.int64]


class Template:
    """One encoded request of `records` records. `filled` may be called for ever."""

    def __init__(self, message: Any, made: Placeholders, records: int, is_json: bool) -> None:
        """Raises ValueError when a placeholder cannot be found: a bug of the generator."""
        self.records = records
        self.counts = {kind: made.count(kind) for kind in Kind}
        self._is_json = is_json
        body = json_of(message) if is_json else message.SerializeToString()
        self._body = np.frombuffer(body, np.uint8).copy()
        self._places = _places(self._body, made.given, is_json)

    def filled(self, values: Mapping[Kind, U64]) -> bytes:
        """The request with these numbers, as many of each kind as `counts` says."""
        body = self._body
        for place in self._places:
            digits = _encoded(place.kind, values[place.kind], self._is_json)
            body[place.positions] = digits[place.which]
        return body.tobytes()


def json_of(message: Any) -> bytes:
    """OTLP/JSON: as protobuf maps to JSON, but enums are numbers and ids hexadecimal."""
    text = orjson.dumps(MessageToDict(message, use_integers_for_enums=True))
    return _BASE64_ID.sub(
        lambda found: b'"%s":"%s"' % (found[1], base64.b64decode(found[2]).hex().encode()), text
    )


def _places(
    body: npt.NDArray[np.uint8], given: list[Placeholder], is_json: bool
) -> tuple[_Place, ...]:
    texts = [_text(one, is_json) for one in given]
    # By the eight bytes at the end of a decimal number, and at the start of all else.
    skipped = [
        len(text) - _WINDOW if is_json and one.kind in DECIMALS else 0
        for text, one in zip(texts, given, strict=True)
    ]
    needles = np.array(
        [int.from_bytes(t[s : s + _WINDOW], "little") for t, s in zip(texts, skipped, strict=True)],
        np.uint64,
    )
    order = np.argsort(needles)
    windows = np.lib.stride_tricks.sliding_window_view(body, _WINDOW)
    seen = np.ascontiguousarray(windows).view("<u8").ravel()
    at = np.minimum(np.searchsorted(needles, seen, sorter=order), len(needles) - 1)
    hits = np.flatnonzero(needles[order[at]] == seen)
    found: dict[Kind, list[tuple[int, int]]] = {}
    raw = body.tobytes()
    left = set(range(len(given)))
    for hit in hits.tolist():
        number = int(order[at[hit]])
        begin = hit - skipped[number]
        if raw[begin : begin + len(texts[number])] == texts[number]:
            left.discard(number)
            found.setdefault(given[number].kind, []).append((begin, given[number].index))
    if left:
        raise ValueError(f"{len(left)} placeholders are not in the encoded request")
    return tuple(
        _Place(
            kind,
            np.array([begin for begin, _ in spots], np.int64)[:, None]
            + np.arange(_width(kind, is_json)),
            np.array([index for _, index in spots], np.int64),
        )
        for kind, spots in found.items()
    )


def _width(kind: Kind, is_json: bool) -> int:
    if kind is Kind.TOKEN:
        return 16
    if not is_json:
        return 8
    return 16 if kind in IDS else 19 if kind in TIMES else 10


def _text(one: Placeholder, is_json: bool) -> bytes:
    if one.kind is Kind.TOKEN or (is_json and one.kind in IDS):
        return b"%016x" % one.value
    if is_json:
        return b"%d" % one.value
    if one.kind in IDS:
        return one.value.to_bytes(8, "big")
    if one.kind is Kind.DOUBLE:
        return struct.pack("<d", float(one.value))
    return one.value.to_bytes(8, "little")


def _encoded(kind: Kind, values: U64, is_json: bool) -> npt.NDArray[np.uint8]:
    """What `_text` gives, of many: (values, width)."""
    if kind is Kind.TOKEN or (is_json and kind in IDS):
        digits = values.astype(">u8").tobytes().hex().encode()
        return np.frombuffer(digits, np.uint8).reshape(-1, 16)
    if is_json:
        width = _width(kind, is_json)
        powers = np.array([10**place for place in range(width - 1, -1, -1)], np.uint64)
        decimals = values[:, None] // powers % np.uint64(10)
        return (decimals + np.uint64(ord("0"))).astype(np.uint8)
    if kind is Kind.DOUBLE:
        return values.astype("<f8").view(np.uint8).reshape(-1, 8)
    return values.astype(">u8" if kind in IDS else "<u8").view(np.uint8).reshape(-1, 8)
