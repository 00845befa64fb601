"""Telemetry files: finds out what a file holds, by content first and by name never alone."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import pyarrow as pa
import zstandard

from longpole.formats import jaeger, otlp, zipkin
from longpole.formats.json_text import parse_json
from longpole.formats.malformed import MalformedRequest
from longpole.model.problem import LongpoleError
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_WRAPPINGS = 3
_OUTERMOST_END = re.compile(rb"^[}\]][ \t\r]*$", re.MULTILINE)
_KEYS = {
    "resourceSpans": Signal.TRACES,
    "resource_spans": Signal.TRACES,
    "resourceLogs": Signal.LOGS,
    "resource_logs": Signal.LOGS,
    "resourceMetrics": Signal.METRICS,
    "resource_metrics": Signal.METRICS,
}
# Backends that answer with OTLP wrap it up or call it otherwise.
_ENVELOPES = ("trace", "data", "result")
_MOST_ENVELOPES = 3
_MOST_KEYS, _LONGEST_KEY = 5, 40
_ALIASES = {"batches": "resourceSpans"}
_UNDERSTOOD = (
    "OTLP JSON (one object or several), OTLP protobuf, Jaeger JSON and Zipkin v2 JSON are "
    "understood, also inside gzip or zstd"
)


class UnknownFormat(LongpoleError):
    """A file that is in none of the formats; the message names those that are understood."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format to write: its name, for which signals, and how."""

    name: str
    signals: frozenset[Signal]
    encode: Callable[[Signal, Mapping[str, pa.Table]], bytes]


_ALL = frozenset(Signal)
_TRACES = frozenset({Signal.TRACES})
FORMATS = {
    form.name: form
    for form in (
        Format("otlp-json", _ALL, otlp.encode_json),
        Format("otlp-protobuf", _ALL, otlp.encode),
        Format("jaeger-json", _TRACES, lambda _, tables: jaeger.encode(tables)),
        Format("zipkin-json", _TRACES, lambda _, tables: zipkin.encode(tables)),
    )
}


def read(name: str, data: bytes) -> Iterator[Telemetry]:
    """The telemetry of a file's content, a request at a time. `name` only serves messages
    and, for protobuf, which cannot tell the signals apart when a request is very small, as
    a hint. Raises `UnknownFormat`, or `MalformedRequest` for a file that breaks midway."""
    for _ in range(_WRAPPINGS):
        unwrapped = _unwrapped(name, data)
        if unwrapped is None:
            break
        data = unwrapped
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        # What a shell on Windows makes of redirected output.
        data = data.decode("utf-16", "replace").encode()
    stripped = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not stripped:
        raise UnknownFormat(f"{name} is empty; {_UNDERSTOOD}.")
    if stripped[:1] in b"{[" and _looks_like_text(stripped):
        yield from _read_json(name, stripped)
    else:
        yield _read_protobuf(name, data)


def _unwrapped(name: str, data: bytes) -> bytes | None:
    try:
        if data.startswith(_GZIP):
            return gzip.decompress(data)
        if data.startswith(_ZSTD):
            return _zstd(data)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise MalformedRequest(f"{name} is damaged: {error}.") from None
    return None


def _zstd(data: bytes) -> bytes:
    """All frames. A stream reader would take a truncated one for the end of the file."""
    parts: list[bytes] = []
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        parts.append(frame.decompress(data))
        if not frame.eof:
            raise EOFError("the last frame is truncated")
        data = frame.unused_data
    return b"".join(parts)


def _looks_like_text(data: bytes) -> bool:
    """JSON has no control characters; the first bytes of a protobuf request do."""
    return not any(byte < 32 and byte not in b"\t\n\r" for byte in data[:64])


def _read_json(name: str, data: bytes) -> Iterator[Telemetry]:
    try:
        whole = parse_json(data)
    except MalformedRequest as fault:
        if _is_json(data.partition(b"\n")[0]):
            for number, line in enumerate(data.splitlines(), 1):
                if line.strip():
                    yield from _read_part(f"{name}, line {number}", line)
            return
        objects = _one_after_another(data)
        if len(objects) < 2 or not _is_json(objects[0]):
            raise UnknownFormat(f"{name}: {fault} {_UNDERSTOOD}.") from None
        for number, part in enumerate(objects, 1):
            yield from _read_part(f"{name}, object {number}", part)
        return
    yield from _read_tree(name, whole)


def _is_json(text: bytes) -> bool:
    try:
        parse_json(text)
    except MalformedRequest:
        return False
    return True


def _one_after_another(data: bytes) -> list[bytes]:
    """Cuts JSON texts that follow each other, as `jq` prints them: after each line that ends
    an object or array of the outermost level, which pretty-printers do not indent. What is
    printed otherwise stays one piece."""
    parts: list[bytes] = []
    begin = 0
    for found in _OUTERMOST_END.finditer(data):
        parts.append(data[begin : found.end()])
        begin = found.end()
    if data[begin:].strip():
        parts.append(data[begin:])
    return parts


def _read_part(name: str, line: bytes) -> Iterator[Telemetry]:
    try:
        tree = parse_json(line)
    except MalformedRequest as fault:
        raise MalformedRequest(f"{name}: {fault}") from None
    yield from _read_tree(name, tree)


def _unveiled(tree: Any) -> Any:
    """What an envelope holds, under OTLP's own names; anything else as it is."""
    for _ in range(_MOST_ENVELOPES):
        if not isinstance(tree, dict) or _KEYS.keys() & tree.keys():
            return tree
        for alias, key in _ALIASES.items():
            if isinstance(tree.get(alias), list):
                return {key: tree[alias]}
        inner = next((tree[key] for key in _ENVELOPES if isinstance(tree.get(key), dict)), None)
        if inner is None:
            return tree
        tree = inner
    return tree


def _read_tree(name: str, tree: Any) -> Iterator[Telemetry]:
    tree = _unveiled(tree)
    try:
        if isinstance(tree, dict):
            signals = {signal for key, signal in _KEYS.items() if key in tree}
            if signals:
                for signal in sorted(signals):
                    yield otlp.decode_json_tree(signal, tree)
                return
            if "data" in tree or "spans" in tree:
                yield jaeger.decode_tree(tree)
                return
        elif isinstance(tree, list):
            first = tree[0] if tree else {}
            if isinstance(first, dict) and _KEYS.keys() & first.keys():
                for index, item in enumerate(tree):
                    yield from _read_request(f"{name}[{index}]", item)
                return
            if isinstance(first, dict) and {"traceID", "spans"} <= first.keys():
                yield jaeger.decode_tree({"data": tree})
                return
        head = tree[0] if isinstance(tree, list) and tree else tree
        if isinstance(head, list) or (isinstance(head, dict) and "traceId" in head):
            yield zipkin.decode_tree(tree)
            return
        if tree == [] or tree == {}:
            yield zipkin.decode_tree([])
            return
    except MalformedRequest as fault:
        raise MalformedRequest(f"{name}: {fault}") from None
    raise UnknownFormat(f"{name} is JSON of no known kind ({_seen(tree)}); {_UNDERSTOOD}.")


def _seen(tree: Any) -> str:
    """What somebody who wonders why should be told about the JSON."""
    if isinstance(tree, dict):
        keys = [key if len(key) <= _LONGEST_KEY else key[:_LONGEST_KEY] + "…" for key in tree]
        more = ", …" if len(keys) > _MOST_KEYS else ""
        return f"an object with {', '.join(keys[:_MOST_KEYS])}{more}"
    if isinstance(tree, list):
        return f"an array, first {_seen(tree[0])}" if tree else "an empty array"
    return "no object or array"


def _read_request(name: str, tree: Any) -> Iterator[Telemetry]:
    keys = _KEYS.keys() & tree.keys() if isinstance(tree, dict) else set()
    for signal in sorted({_KEYS[key] for key in keys}):
        yield otlp.decode_json_tree(signal, tree)
    if not keys:
        raise UnknownFormat(f"{name} is no OTLP request; {_UNDERSTOOD}.")


def _read_protobuf(name: str, data: bytes) -> Telemetry:
    """The signal as which the bytes make most sense: every signal's request has the same
    outer shape, so what counts is how many records are valid."""
    found: list[tuple[float, Telemetry]] = []
    for signal in (Signal.TRACES, Signal.METRICS, Signal.LOGS):
        try:
            telemetry = otlp.decode(signal, data)
        except MalformedRequest:
            continue
        if telemetry.accepted and not telemetry.problems and signal is not Signal.LOGS:
            return telemetry  # ids of 16 and 8 bytes, or typed points: no coincidence
        if telemetry.accepted:
            found.append((_likelihood(name, telemetry), telemetry))
    if not found:
        raise UnknownFormat(f"{name} holds no telemetry; {_UNDERSTOOD}.")
    return max(found, key=lambda pair: pair[0])[1]


def _likelihood(name: str, telemetry: Telemetry) -> float:
    total = telemetry.accepted + telemetry.rejected
    score = telemetry.accepted / total - 0.5 * len(telemetry.problems)
    if telemetry.signal is Signal.LOGS:
        # Any message parses as a log record; a true one mostly has a time in this century.
        times = telemetry.tables["logs"]
        plausible = [
            max(pair) > 0
            for pair in zip(
                times.column("time_unix_nano").to_pylist(),
                times.column("observed_time_unix_nano").to_pylist(),
                strict=True,
            )
        ]
        score += sum(plausible) / len(plausible) - 1.0
    if telemetry.signal.value.rstrip("s") in PurePath(name).name.lower():
        score += 0.25
    return score
