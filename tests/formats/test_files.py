from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest
import zstandard

from longpole.formats import files, otlp
from longpole.formats.malformed import MalformedRequest
from longpole.formats.rows import spans_of
from longpole.model.signals import Signal

FIXTURES = Path(__file__).parent / "fixtures"
TRACES = (FIXTURES / "otlp-traces.json").read_bytes()
LOGS = (FIXTURES / "otlp-logs.json").read_bytes()
METRICS = (FIXTURES / "otlp-metrics.json").read_bytes()


def as_protobuf(signal: Signal, text: bytes) -> bytes:
    return otlp.decode_json(signal, text).body


CASES = {
    "otlp.json": (TRACES, [(Signal.TRACES, 2)]),
    "logs.json": (LOGS, [(Signal.LOGS, 2)]),
    "metrics.json": (METRICS, [(Signal.METRICS, 5)]),
    "lines.jsonl": (
        b"\n".join([orjson.dumps(orjson.loads(t)) for t in (TRACES, LOGS)]) + b"\n\n",
        [(Signal.TRACES, 2), (Signal.LOGS, 2)],
    ),
    "array.json": (
        b"[" + TRACES + b"," + METRICS + b"]",
        [(Signal.TRACES, 2), (Signal.METRICS, 5)],
    ),
    "both.json": (
        orjson.dumps({**orjson.loads(TRACES), **orjson.loads(LOGS)}),
        [(Signal.LOGS, 2), (Signal.TRACES, 2)],
    ),
    "jaeger.json": ((FIXTURES / "jaeger.json").read_bytes(), [(Signal.TRACES, 2)]),
    "zipkin.json": ((FIXTURES / "zipkin.json").read_bytes(), [(Signal.TRACES, 3)]),
    "a.binpb": (as_protobuf(Signal.TRACES, TRACES), [(Signal.TRACES, 2)]),
    "b.binpb": (as_protobuf(Signal.LOGS, LOGS), [(Signal.LOGS, 2)]),
    "c.binpb": (as_protobuf(Signal.METRICS, METRICS), [(Signal.METRICS, 5)]),
}


def pretty(*texts: bytes) -> bytes:
    return b"\n".join(orjson.dumps(orjson.loads(t), option=orjson.OPT_INDENT_2) for t in texts)


CASES |= {
    "pretty.json": (
        pretty(TRACES, LOGS, METRICS),
        [(Signal.TRACES, 2), (Signal.LOGS, 2), (Signal.METRICS, 5)],
    ),
    "batches.json": (
        orjson.dumps({"batches": orjson.loads(TRACES)["resourceSpans"]}),
        [(Signal.TRACES, 2)],
    ),
    "tempo.json": (
        orjson.dumps({"trace": {"batches": orjson.loads(TRACES)["resourceSpans"]}}),
        [(Signal.TRACES, 2)],
    ),
    "data.json": (b'{"data":' + TRACES + b"}", [(Signal.TRACES, 2)]),
    "results.jsonl": (
        b"\n".join(b'{"result":' + orjson.dumps(orjson.loads(TRACES)) + b"}" for _ in "ab"),
        [(Signal.TRACES, 2), (Signal.TRACES, 2)],
    ),
}


def plain(data: bytes) -> bytes:
    return data


def two_frames(data: bytes) -> bytes:
    half = len(data) // 2
    return b"".join(zstandard.compress(part) for part in (data[:half], data[half:]))


@pytest.mark.parametrize("wrap", [plain, gzip.compress, zstandard.compress, two_frames])
@pytest.mark.parametrize("name", CASES)
def test_every_format_is_recognised_by_its_content(name: str, wrap: object) -> None:
    data, expected = CASES[name]
    assert callable(wrap)
    told = list(files.read("data", wrap(data)))
    assert [(one.signal, one.accepted) for one in told] == expected
    assert all(one.rejected == 0 for one in told)


@pytest.mark.parametrize("data", [b"", b"hello", b'{"a":1}', b"[1]", b"\xff\xfe\x00", b"{\n{"])
def test_what_nobody_understands_says_what_is_understood(data: bytes) -> None:
    with pytest.raises(files.UnknownFormat, match=r"odd\.bin.*Jaeger JSON and Zipkin v2 JSON"):
        list(files.read("odd.bin", data))


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (b'{"hello": 1, "world": 2}', "an object with hello, world"),
        (b'[{"hello": 1}]', "an array, first an object with hello"),
        (b'{"' + b"k" * 5000 + b'": 1}', "an object with " + "k" * 40 + "…)"),
        (b'{"trace": {"trace": {"x": 1}}}', "an object with x"),
        (b"[3]", "an array, first no object or array"),
    ],
)
def test_json_of_no_known_kind_says_what_was_seen(data: bytes, seen: str) -> None:
    with pytest.raises((files.UnknownFormat, MalformedRequest)) as caught:
        list(files.read("odd", data))
    assert seen in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_text_of_other_encodings_with_a_mark_is_read(encoding: str) -> None:
    (told,) = files.read("x.json", TRACES.decode().encode(encoding))
    assert (told.accepted, told.problems) == (2, ())


def test_a_broken_object_after_others_is_named() -> None:
    told = files.read("x.json", pretty(TRACES, LOGS) + b"\n{\n  broken\n}\n")
    assert [next(told).accepted, next(told).accepted] == [2, 2]
    with pytest.raises(MalformedRequest, match=r"x\.json, object 3"):
        next(told)


def test_a_broken_line_is_named() -> None:
    told = files.read("x.jsonl", orjson.dumps(orjson.loads(TRACES)) + b"\n{broken\n")
    assert next(told).accepted == 2
    with pytest.raises(MalformedRequest, match=r"x\.jsonl, line 2"):
        next(told)


@pytest.mark.parametrize("data", [gzip.compress(TRACES)[:-9], zstandard.compress(TRACES)[:-9]])
def test_a_damaged_archive_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedRequest, match="t is damaged"):
        list(files.read("t", data))


@pytest.mark.parametrize("name", files.FORMATS)
def test_every_export_reads_back(name: str) -> None:
    told = otlp.decode_json(Signal.TRACES, TRACES)
    data = files.FORMATS[name].encode(Signal.TRACES, told.tables)
    (again,) = files.read("out", data)
    ids = [(span.trace_id, span.span_id, span.name) for span in spans_of(told.tables)]
    assert [(span.trace_id, span.span_id, span.name) for span in spans_of(again.tables)] == ids
