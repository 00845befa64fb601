"""Checklist H: OTLP over HTTP/1.1."""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from collections.abc import Iterator

import pytest
import zstandard
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from longpole.collector.settings import CollectorSettings
from longpole.model.signals import Signal
from longpole.storage.ports import Overloaded, StorageUnavailable
from tests.collector import http2_frames, messages
from tests.collector.http2_frames import END_HEADERS, END_STREAM, HEADERS
from tests.collector.serving import (
    JSON,
    PROTOBUF,
    REQUEST_OF,
    TRACES,
    Served,
    Sink,
    read_all,
    serve,
    status_of,
)

MIB = 1 << 20


def body() -> bytes:
    return bytes(messages.traces().SerializeToString())


def json_body() -> bytes:
    return messages.json_traces(messages.json_span())


def test_H001_the_three_paths_and_the_port() -> None:
    assert CollectorSettings().http_address == "127.0.0.1:4318"
    with serve() as server:
        for path, signal in (
            ("/v1/traces", Signal.TRACES),
            ("/v1/logs", Signal.LOGS),
            ("/v1/metrics", Signal.METRICS),
        ):
            request = messages.any_request(signal)
            assert server.post(request.SerializeToString(), path=path).status_code == 200
            assert server.sink.requests(signal) == [request]


def test_H002_protobuf_and_json_share_the_port(server: Served) -> None:
    assert server.post(body()).status_code == 200
    assert server.post(json_body(), content_type=JSON).status_code == 200
    assert len(server.sink.spans()) == 2


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_H003_the_response_has_the_type_of_the_request(server: Served, content_type: str) -> None:
    good = body() if content_type == PROTOBUF else json_body()
    answers = {
        200: server.post(good, content_type=content_type),
        400: server.post(b"\xff{", content_type=content_type),
        404: server.post(good, content_type=content_type, path="/nowhere"),
        405: server.post(good, content_type=content_type, method="PUT"),
        413: server.post(bytes(64 * MIB + 1), content_type=content_type),
        415: server.post(good, content_type=content_type, content_encoding="br"),
    }
    for code, answer in answers.items():
        assert (answer.status_code, answer.headers["content-type"]) == (code, content_type)


def test_H003_the_type_is_kept_for_refusals_of_the_server() -> None:
    for failure, code in ((Overloaded("x"), 503), (RuntimeError("x"), 500)):
        with serve(Sink(failure=failure)) as server:
            for content_type, data in ((PROTOBUF, body()), (JSON, json_body())):
                answer = server.post(data, content_type=content_type)
                assert answer.status_code == code
                assert answer.headers["content-type"] == content_type


def test_H004_the_response_type_has_no_parameters(server: Served) -> None:
    answer = server.post(body(), content_type="application/x-protobuf; charset=utf-8")
    assert answer.headers["content-type"] == "application/x-protobuf"


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "APPLICATION/JSON", "Application/Json ;charset=UTF-8"],
)
def test_H005_parameters_and_case_of_the_type_are_tolerated(
    server: Served, content_type: str
) -> None:
    answer = server.post(json_body(), content_type=content_type)
    assert (answer.status_code, answer.content) == (200, b"{}")


def test_H006_success_is_200_with_an_export_response(server: Served) -> None:
    answer = server.post(body())
    assert (answer.status_code, answer.content) == (200, b"")
    answer = server.post(json_body(), content_type=JSON)
    assert (answer.status_code, answer.content) == (200, b"{}")


def test_H007_partial_success_is_200(server: Served) -> None:
    request = messages.traces(1)
    messages.add_span(request, span_id=bytes(8))
    answer = server.post(request.SerializeToString())
    assert answer.status_code == 200
    parsed = ExportTraceServiceResponse.FromString(answer.content)
    assert parsed.partial_success.rejected_spans == 1


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_H008_every_refusal_has_a_status_body(server: Served, content_type: str) -> None:
    for answer in (
        server.post(b"\xff{", content_type=content_type),
        server.post(b"", content_type=content_type, path="/nowhere"),
        server.post(b"", content_type=content_type, method="PUT"),
        server.post(b"x", content_type=content_type, content_encoding="br"),
        server.post(bytes(64 * MIB + 1), content_type=content_type),
    ):
        code, message = status_of(answer)
        assert code > 0
        assert message


def test_H009_the_message_is_for_a_developer(server: Served) -> None:
    _, message = status_of(server.post(b"x" * 10, content_type="text/plain"))
    assert "application/x-protobuf or application/json" in message
    assert "text/plain" in message


@pytest.mark.parametrize(
    ("content_type", "encoding", "data"),
    [
        (PROTOBUF, "", b"\x0a\x10short"),
        (PROTOBUF, "", b"\xff\xff\xff"),
        (JSON, "", b'{"resourceSpans":['),
        (JSON, "", b"[]"),
        (PROTOBUF, "gzip", b"no gzip"),
        (JSON, "zstd", b"no zstd"),
        (JSON, "deflate", b"\x07no deflate"),
    ],
)
def test_H010_what_cannot_be_decoded_is_400_with_details(
    server: Served, content_type: str, encoding: str, data: bytes
) -> None:
    answer = server.post(data, content_type=content_type, content_encoding=encoding or "identity")
    assert answer.status_code == 400
    if content_type == PROTOBUF:
        (detail,) = status_pb2.Status.FromString(answer.content).details
        bad = error_details_pb2.BadRequest()
        assert detail.Unpack(bad)
        assert bad.field_violations[0].description
    else:
        (json_detail,) = answer.json()["details"]
        assert json_detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert not server.sink.kept


def pieces(size: int) -> Iterator[bytes]:
    for _ in range(size // MIB):
        yield bytes(MIB)
    yield bytes(size % MIB)


def test_H011_too_large_is_413_before_and_after_decompression(server: Served) -> None:
    for answer in (
        server.post(bytes(64 * MIB + 1)),
        server.post(pieces(64 * MIB + 1)),
        server.post(gzip.compress(bytes(64 * MIB + 1), 1), content_encoding="gzip"),
    ):
        assert answer.status_code == 413
        assert "retry-after" not in answer.headers
    assert not server.sink.kept


def test_H011_a_body_of_exactly_the_limit_is_taken() -> None:
    data = body()
    with serve(max_request_bytes=len(data)) as server:
        assert server.post(data).status_code == 200
        assert server.post(gzip.compress(data), content_encoding="gzip").status_code in (200, 413)
        assert server.post(data + b"\0").status_code == 413


def test_H012_the_limit_is_64_MiB_and_can_be_set() -> None:
    assert CollectorSettings().max_request_bytes == 64 * MIB
    with serve(max_request_bytes=1000) as server:
        assert server.post(bytes(1001)).status_code == 413


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_H013_the_response_is_limited(content_type: str) -> None:
    span = messages.json_span(traceId="")
    bad = messages.json_traces(*[span] * 50)
    if content_type == PROTOBUF:
        bad = messages.traces(50, trace_id=b"").SerializeToString()
    with serve(max_response_bytes=300) as server:
        answer = server.post(bad, content_type=content_type)
        assert answer.status_code == 200
        assert len(answer.content) <= 300
    with serve(max_response_bytes=3) as server:
        answer = server.post(bad, content_type=content_type)
        assert answer.status_code == 500


@pytest.mark.parametrize("failure", [Overloaded("late"), StorageUnavailable("full")])
def test_H014_overload_is_503_with_a_short_retry_after(failure: Exception) -> None:
    with serve(Sink(failure=failure)) as server:
        answer = server.post(body())
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        (detail,) = status_pb2.Status.FromString(answer.content).details
        info = error_details_pb2.RetryInfo()
        assert detail.Unpack(info)
        assert info.retry_delay.seconds == 1


def test_H015_retryable_refusals_and_only_they_have_a_retryable_status() -> None:
    from longpole.collector.refusals import REFUSALS

    for refusal in REFUSALS.values():
        assert (refusal.http_status in (429, 502, 503, 504)) == refusal.is_retryable
        assert (refusal.grpc_status.name == "UNAVAILABLE") == refusal.is_retryable


@pytest.mark.parametrize("encoding", ["br", "snappy", "compress"])
def test_H016_unknown_encodings_are_415_and_told_what_is_taken(
    server: Served, encoding: str
) -> None:
    answer = server.post(body(), content_encoding=encoding)
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "gzip, deflate, zstd, identity"
    assert "gzip" in status_of(answer)[1]


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/protobuf", "x"])
def test_H017_unknown_types_are_415_with_a_json_status(
    server: Served, content_type: str | None
) -> None:
    answer = server.post(body(), content_type=content_type)
    assert (answer.status_code, answer.headers["content-type"]) == (415, JSON)
    assert status_of(answer)[1]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
def test_H018_other_methods_are_405_and_told_of_post(server: Served, method: str) -> None:
    answer = server.post(b"", method=method)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("/v1/traces/", "slash"),
        ("/v1/trace", "/v1/traces"),
        ("/api/v2/spans", "`zipkin` receiver"),
        ("/api/traces", "`jaeger` receiver"),
        ("/anything", "/v1/metrics"),
    ],
)
def test_H019_unknown_paths_are_404_with_the_way_out(server: Served, path: str, hint: str) -> None:
    answer = server.post(body(), path=path, content_type=JSON)
    assert answer.status_code == 404
    message = status_of(answer)[1]
    assert "/v1/traces" in message
    assert hint in message


def test_H020_a_big_response_is_gzipped_when_that_is_accepted() -> None:
    from longpole.collector.otlp_http import OtlpHttp

    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    import asyncio

    answer = b'{"x":"' + b"a" * 5000 + b'"}'
    with serve() as server:
        app = OtlpHttp(server.collector._desk)
        for accepts in (b"gzip, br", b"identity"):
            headers = {b"accept-encoding": accepts}
            asyncio.run(app._succeed(send, answer, True, headers, []))  # type: ignore[arg-type]
    packed, plain = sent[1]["body"], sent[3]["body"]
    assert isinstance(packed, bytes)
    assert gzip.decompress(packed) == plain == answer


def test_H021_chunked_bodies_without_length_are_taken(server: Served) -> None:
    data = body()
    assert server.post(iter([data[:10], data[10:]])).status_code == 200
    assert len(server.sink.spans()) == 1


def head(length: int | None, *lines: str, content_type: str = PROTOBUF) -> bytes:
    fields = ["POST /v1/traces HTTP/1.1", "host: x", f"content-type: {content_type}", *lines]
    if length is not None:
        fields.append(f"content-length: {length}")
    return "\r\n".join([*fields, "", ""]).encode()


def test_H022_expect_100_continue_is_honoured(server: Served) -> None:
    data = messages.traces(name="n" * 2 * MIB).SerializeToString()
    with server.talk(head(len(data), "expect: 100-continue", "connection: close")) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(data)
        assert read_all(connection).startswith(b"HTTP/1.1 200")


def test_H022_a_body_that_is_too_large_is_refused_before_it_is_sent(server: Served) -> None:
    with server.talk(head(65 * MIB, "expect: 100-continue")) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_H023_connections_are_kept_for_more_than_a_minute(server: Served) -> None:
    assert CollectorSettings().keep_alive_seconds > 60
    data = body()
    with server.talk(head(len(data)) + data) as connection:
        assert b"200 OK" in connection.recv(1000)
        connection.sendall(head(len(data)) + data)
        assert b"200 OK" in connection.recv(1000)


@pytest.mark.full
@pytest.mark.timeout(200)
def test_H023_a_connection_idle_for_61_seconds_still_works(server: Served) -> None:
    data = body()
    with server.talk(head(len(data)) + data) as connection:
        assert b"200 OK" in connection.recv(1000)
        time.sleep(61)  # the claim is about idle time
        connection.sendall(head(len(data)) + data)
        assert b"200 OK" in connection.recv(1000)


def test_H024_a_body_cut_short_is_not_kept(server: Served) -> None:
    data = body()
    before = server.metric(
        "longpole_collector_requests_total", transport="http", signal="traces", outcome="abandoned"
    )
    with server.talk(head(len(data) + 5) + data):
        pass
    deadline = time.monotonic() + 10
    while (
        server.metric(
            "longpole_collector_requests_total",
            transport="http", signal="traces", outcome="abandoned",
        )
        == before
    ):  # fmt: skip
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not server.sink.kept
    assert server.metric("longpole_collector_in_flight_bytes") == 0


def test_H024_bytes_behind_the_body_are_no_part_of_it(server: Served) -> None:
    data = body()
    with server.talk(head(len(data)) + data + b"garbage\r\n\r\n") as connection:
        answer = read_all(connection)
    # The first request is whole and kept; what follows is not HTTP and ends the connection.
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 400"))
    deadline = time.monotonic() + 10
    while not server.sink.kept:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert server.sink.requests() == [REQUEST_OF[TRACES].FromString(data)]


def test_H025_slow_bodies_and_slow_headers_end() -> None:
    with serve(body_timeout_seconds=0.3, header_timeout_seconds=0.3) as server:
        with server.talk(head(100) + b"x") as connection:
            answer = read_all(connection)
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"retry-after: 1" in answer
        with server.talk(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n") as connection:
            assert read_all(connection) == b""
        with server.talk(b"") as connection:
            assert read_all(connection) == b""
        assert server.post(body()).status_code == 200


def test_H026_gzip_members_and_padding_are_taken_and_damage_is_not(server: Served) -> None:
    data = body()
    packed = gzip.compress(data)
    half = gzip.compress(data[:9]) + gzip.compress(data[9:])
    for good in (half, packed + bytes(512), b""):
        assert server.post(good, content_encoding="gzip").status_code == 200
    crc = bytearray(packed)
    crc[-8] ^= 1
    for bad in (packed[:-9], packed[:5], bytes(crc), packed + b"trailing garbage"):
        answer = server.post(bad, content_encoding="gzip")
        assert answer.status_code == 400
        assert "gzip" in status_of(answer)[1]


@pytest.mark.parametrize(
    ("encoding", "code"),
    [("identity", 200), ("GZIP", 200), ("x-gzip", 200), ("gzip, gzip", 415), ("gzip,br", 415)],
)
def test_H027_one_encoding_is_taken_and_lists_are_not(
    server: Served, encoding: str, code: int
) -> None:
    data = body() if encoding == "identity" else gzip.compress(body())
    assert server.post(data, content_encoding=encoding).status_code == code


def test_H028_zstd_is_bounded_in_window_output_and_frames(server: Served) -> None:
    data = body()
    for good in (
        zstandard.ZstdCompressor(write_content_size=False).compress(data),
        b"\x50\x2a\x4d\x18\x02\x00\x00\x00xx" + zstandard.compress(data),  # skippable frame
        b"".join(zstandard.compress(data[i : i + 1]) for i in range(len(data))),
    ):
        assert server.post(good, content_encoding="zstd").status_code == 200
    wide = zstandard.ZstdCompressionParameters(window_log=27)
    stream = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    window = stream.compress(data) + stream.flush()
    assert server.post(window, content_encoding="zstd").status_code == 400
    # magic, single segment with 8 bytes of content size, 2^62 bytes declared, one raw block
    lie = b"\x28\xb5\x2f\xfd\xe0" + (1 << 62).to_bytes(8, "little") + b"\x09\x00\x00x"
    assert server.post(lie, content_encoding="zstd").status_code == 400
    tiny = zstandard.compress(b"") * 100_000
    assert server.post(tiny, content_encoding="zstd").status_code == 400
    bomb = zstandard.compress(bytes(65 * MIB))
    assert len(bomb) < 10_000
    assert server.post(bomb, content_encoding="zstd").status_code == 413


def test_H029_http_1_0_works(server: Served) -> None:
    data = body()
    request = head(len(data)).replace(b"HTTP/1.1", b"HTTP/1.0") + data
    with server.talk(request) as connection:
        assert b"200 OK" in read_all(connection)


def test_H029_http_2_is_refused_in_its_own_words(server: Served) -> None:
    """The preface, SETTINGS, and HEADERS on stream 1; the answer is a Trailers-Only refusal."""
    headers = http2_frames.frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\x82")
    with server.talk(http2_frames.PREFACE + headers) as connection:
        answer = b""
        while b"4317" not in answer and str(server.grpc[1]).encode() not in answer:
            piece = connection.recv(1000)
            assert piece, answer
            answer += piece
    assert b"this is the OTLP/HTTP port" in answer


def test_H030_pages_of_other_origins_are_not_let_in_by_default(server: Served) -> None:
    answer = server.post(json_body(), content_type=JSON, origin="https://evil.example")
    assert "access-control-allow-origin" not in answer.headers
    preflight = server.post(b"", method="OPTIONS", origin="https://evil.example")
    assert preflight.status_code == 405
    assert "access-control-allow-origin" not in preflight.headers
    # What a page can send without a preflight is not taken.
    assert server.post(json_body(), content_type="text/plain").status_code == 415


def test_H030_configured_origins_are_matched_exactly() -> None:
    with serve(cors_origins=("https://shop.example",)) as server:
        preflight = server.post(b"", method="OPTIONS", origin="https://shop.example")
        assert preflight.status_code == 204
        allowed = "access-control-allow-origin"
        assert preflight.headers[allowed] == "https://shop.example"
        assert "access-control-allow-credentials" not in preflight.headers
        answer = server.post(json_body(), content_type=JSON, origin="https://shop.example")
        assert (answer.status_code, answer.headers[allowed]) == (200, "https://shop.example")
        for origin in ("https://shop.example.evil", "http://shop.example", "null", "*"):
            answer = server.post(b"", method="OPTIONS", origin=origin)
            assert allowed not in answer.headers


@pytest.mark.parametrize("host", ["name:4318", "collector.internal", "127.0.0.1", "[::1]:4318"])
def test_H031_any_host_header_is_taken(server: Served, host: str) -> None:
    assert server.post(body(), TRACES, host=host).status_code == 200


def test_requests_on_one_connection_are_answered_in_order(server: Served) -> None:
    data, bad = body(), b"\xff"
    sent = head(len(data)) + data + head(1) + bad + head(len(data), "connection: close") + data
    with server.talk(sent) as connection:
        answer = read_all(connection)
    codes = re.findall(rb"HTTP/1.1 (\d+)", answer)
    assert codes == [b"200", b"400", b"200"]


def test_a_line_that_is_no_http_gets_a_json_status(server: Served) -> None:
    with server.talk(b"this is no request\r\n\r\n") as connection:
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 400")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["message"]


def test_huge_headers_are_refused(server: Served) -> None:
    with server.talk(head(0, "x-big: " + "a" * 70_000)) as connection:
        assert read_all(connection).startswith(b"HTTP/1.1 431")


def test_a_fault_of_ours_is_500_without_a_traceback() -> None:
    with serve(Sink(failure=RuntimeError("secret detail"))) as server:
        answer = server.post(body())
        assert answer.status_code == 500
        assert b"secret detail" not in answer.content
        assert b"Traceback" not in answer.content


def test_bytes_in_flight_are_bounded_and_waiting_ends_with_503() -> None:
    sink = Sink(gate=threading.Event())
    data = messages.traces(name="n" * 600_000).SerializeToString()
    with serve(sink, max_in_flight_bytes=1_000_000, admission_wait_seconds=0.2) as server:
        first = threading.Thread(target=server.post, args=(data,))
        first.start()
        assert sink.seen.acquire(timeout=10)
        answer = server.post(data)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert sink.gate is not None
        sink.gate.set()
        first.join()
        assert server.post(data).status_code == 200
        assert server.metric("longpole_collector_in_flight_bytes") == 0
