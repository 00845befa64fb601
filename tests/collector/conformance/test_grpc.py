"""Checklist G: OTLP over gRPC."""

from __future__ import annotations

import functools
import os
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from longpole.collector.otlp_grpc import server_options
from longpole.collector.settings import CollectorSettings
from longpole.model.signals import Signal
from longpole.storage.ports import Overloaded, StorageUnavailable
from tests.collector import http2_frames, messages
from tests.collector.serving import METHOD_OF, TRACES, Served, Sink, refused, serve

MIB = 1 << 20
TOO_LARGE = grpc.StatusCode.RESOURCE_EXHAUSTED


def body() -> bytes:
    return bytes(messages.traces().SerializeToString())


def trailers(error: grpc.RpcError) -> dict[str, bytes]:
    return dict(error.trailing_metadata() or ())


@pytest.mark.parametrize("signal", list(Signal))
def test_G001_the_three_services_and_the_port(server: Served, signal: Signal) -> None:
    assert CollectorSettings().grpc_address == "127.0.0.1:4317"
    request = messages.any_request(signal)
    server.export(request.SerializeToString(), signal)
    assert server.sink.requests(signal) == [request]


def test_G002_profiles_are_unimplemented(server: Served) -> None:
    method = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
    error = refused(lambda: server.channel.unary_unary(method)(b"", timeout=10))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_G003_the_size_is_limited_before_and_after_decompression(
    server: Served, compression: grpc.Compression | None
) -> None:
    error = refused(lambda: server.export(bytes(64 * MIB + 1), compression=compression))
    assert error.code() is TOO_LARGE
    assert not server.sink.kept
    server.export(body())


def test_G004_the_limit_is_64_MiB_and_can_be_set() -> None:
    options = dict(server_options(CollectorSettings()))
    assert options["grpc.max_receive_message_length"] == 64 * MIB
    with serve(max_request_bytes=1000) as server:
        assert refused(lambda: server.export(bytes(1001))).code() is TOO_LARGE


def test_G005_an_oversized_message_is_not_to_be_sent_again(server: Served) -> None:
    error = refused(lambda: server.export(bytes(64 * MIB + 1)))
    assert error.code() is TOO_LARGE
    assert "google.rpc.retryinfo-bin" not in trailers(error)
    details = trailers(error).get("grpc-status-details-bin", b"")
    assert not status_pb2.Status.FromString(details).details


def test_G006_the_response_is_limited() -> None:
    bad = messages.traces(50, trace_id=b"").SerializeToString()
    with serve(max_response_bytes=300) as server:
        answer = server.export(bad)
        assert answer.ByteSize() <= 300
        assert answer.partial_success.rejected_spans == 50
    with serve(max_response_bytes=3) as server:
        error = refused(lambda: server.export(bad))
        assert error.code() is TOO_LARGE
        assert "google.rpc.retryinfo-bin" not in trailers(error)


def test_G006_a_hundred_thousand_rejections_give_a_small_response(server: Served) -> None:
    request = messages.traces(1, trace_id=b"")
    spans = request.resource_spans[0].scope_spans[0].spans
    spans.extend([spans[0]] * 99_999)
    answer = server.export(request.SerializeToString())
    assert answer.partial_success.rejected_spans == 100_000
    assert answer.ByteSize() < 4096


@pytest.mark.parametrize("failure", [Overloaded("late"), StorageUnavailable("/disk is full")])
def test_G007_G009_what_a_retry_may_fix_is_unavailable_with_a_short_delay(
    failure: Exception,
) -> None:
    with serve(Sink(failure=failure)) as server:
        error = refused(lambda: server.export(body()))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "/disk" not in error.details()
        status = status_pb2.Status.FromString(trailers(error)["grpc-status-details-bin"])
        info = error_details_pb2.RetryInfo()
        assert status.code == 14
        assert status.details[0].Unpack(info)
        assert 1 <= info.retry_delay.seconds <= 2


def test_G008_bad_data_is_invalid_argument_with_details(server: Served) -> None:
    error = refused(lambda: server.export(b"\x0a\x10short"))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "decoded" in error.details()
    status = status_pb2.Status.FromString(trailers(error)["grpc-status-details-bin"])
    bad = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(bad)
    assert bad.field_violations[0].description


def test_G010_resource_exhausted_never_carries_retry_info(server: Served) -> None:
    from longpole.collector.answers import status as status_bytes
    from longpole.collector.refusals import REFUSALS, Refused

    for refusal in REFUSALS.values():
        status = status_pb2.Status.FromString(status_bytes(Refused(refusal, "", 1), False))
        has_delay = any(d.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for d in status.details)
        assert has_delay == refusal.is_retryable
        assert not (has_delay and refusal.grpc_status is TOO_LARGE)


def test_G011_retry_info_is_also_in_the_older_trailer() -> None:
    with serve(Sink(failure=Overloaded("late"))) as server:
        error = refused(lambda: server.export(body()))
        info = error_details_pb2.RetryInfo.FromString(trailers(error)["google.rpc.retryinfo-bin"])
        assert info.retry_delay.seconds == 1


def h2_call(message: bytes, content_type: str = "application/grpc") -> bytes:
    """A connection with one Export call, in raw frames."""
    headers = http2_frames.call_headers(content_type)
    data = b"\0" + struct.pack(">I", len(message)) + message
    return (
        http2_frames.PREFACE
        + http2_frames.frame(http2_frames.HEADERS, http2_frames.END_HEADERS, 1, headers)
        + http2_frames.frame(http2_frames.DATA, http2_frames.END_STREAM, 1, data)
    )


def frames_of_call(server: Served, request: bytes) -> list[tuple[int, int]]:
    """Kind and flags of the frames on stream 1, until it ends."""
    frames: list[tuple[int, int]] = []
    data = b""
    with server.talk(request, port="grpc") as connection:
        while True:
            piece = connection.recv(65536)
            if not piece:
                return frames
            data += piece
            while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
                size, kind, flags = int.from_bytes(data[:3], "big"), data[3], data[4]
                stream = int.from_bytes(data[5:9], "big")
                data = data[9 + size :]
                if stream == 1:
                    frames.append((kind, flags))
                    if kind in (0, 1) and flags & 1:
                        return frames


@pytest.mark.parametrize("case", ["malformed", "overloaded"])
def test_G012_errors_are_trailers_only(case: str) -> None:
    failure = Overloaded("late") if case == "overloaded" else None
    with serve(Sink(failure=failure)) as server:
        sent = h2_call(b"\xff" if case == "malformed" else body())
        frames = frames_of_call(server, sent)
        # One HEADERS frame (1) with END_STREAM (1), and nothing else of weight (8 is flow
        # control, 3 tells the client to stop sending).
        assert [(k, f & 1) for k, f in frames if k not in (3, 8)] == [(1, 1)]


def test_G013_a_hundred_calls_are_in_flight_at_once() -> None:
    sink = Sink(gate=threading.Event())
    with serve(sink) as server:
        method = server.channel.unary_unary(METHOD_OF[TRACES])
        calls = [method.future(body(), timeout=30) for _ in range(100)]
        for _ in range(100):
            assert sink.seen.acquire(timeout=20)
        assert not any(call.done() for call in calls)
        assert sink.gate is not None
        sink.gate.set()
        assert [call.result() for call in calls] == [b""] * 100
    assert len(sink.kept) == 100


def test_G014_the_number_of_streams_is_limited(server: Served) -> None:
    """SETTINGS of the server carry MAX_CONCURRENT_STREAMS (3)."""
    with server.talk(http2_frames.PREFACE, "grpc") as c:
        data = b""
        while len(data) < 9 or len(data) < 9 + int.from_bytes(data[:3], "big"):
            data += c.recv(4096)
    payload = data[9 : 9 + int.from_bytes(data[:3], "big")]
    assert data[3] == 4
    settings = dict(struct.iter_unpack(">HI", payload))
    assert settings[3] == CollectorSettings().max_concurrent_streams


def pings(server: Served, count: int, pause: float) -> bytes:
    """Kinds of the frames that answer so many pings on a connection without calls."""
    kinds = b""
    with server.talk(http2_frames.PREFACE, "grpc") as c:
        data = b""
        for number in range(count):
            c.sendall(http2_frames.frame(http2_frames.PING, 0, 0, struct.pack(">Q", number)))
            wanted = kinds.count(6) + 1
            while kinds.count(6) < wanted:
                piece = c.recv(4096)
                assert piece, f"closed after ping {number}: {kinds!r}"
                data += piece
                while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
                    kind, is_answer = data[3], data[4] & 1
                    content = data[9 : 9 + int.from_bytes(data[:3], "big")]
                    data = data[9 + len(content) :]
                    if is_answer or kind not in (4, 6):
                        kinds += bytes([kind])
                    else:  # the server's settings and pings want an answer, like any client's
                        c.sendall(http2_frames.frame(kind, 1, 0, content if kind == 6 else b""))
            time.sleep(pause)
    return kinds


def test_G015_pings_without_calls_are_answered_and_not_punished(server: Served) -> None:
    assert 7 not in pings(server, 50, 0.0)


@pytest.mark.full
@pytest.mark.timeout(400)
def test_G015_a_client_that_pings_every_ten_seconds_for_five_minutes_stays(
    server: Served,
) -> None:
    assert 7 not in pings(server, 30, 10.0)


def test_G016_calls_in_flight_finish_when_the_server_stops() -> None:
    sink = Sink(gate=threading.Event())
    with serve(sink) as server:
        call = server.channel.unary_unary(METHOD_OF[TRACES]).future(body(), timeout=30)
        posted = ThreadPoolExecutor(1).submit(server.post, body())
        for _ in range(2):
            assert sink.seen.acquire(timeout=10)
        stopping = threading.Thread(target=server.collector.stop, args=(10.0,))
        stopping.start()
        deadline = time.monotonic() + 10
        while server.collector.is_ready:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert sink.gate is not None
        sink.gate.set()
        assert call.result() == b""
        answer = posted.result(timeout=20)
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        stopping.join(20)
        assert not stopping.is_alive()
    assert len(sink.kept) == 2


def test_G017_too_much_metadata_is_refused_and_the_connection_survives(server: Served) -> None:
    metadata = (("x-big", "a" * 100_000),)
    error = refused(lambda: server.export(body(), metadata=metadata))
    assert error.code() is TOO_LARGE
    server.export(body())


@pytest.mark.parametrize("content_type", ["application/grpc", "application/grpc+proto"])
def test_G018_the_content_types_of_grpc_are_taken(server: Served, content_type: str) -> None:
    frames = frames_of_call(server, h2_call(body(), content_type))
    assert [k for k, _ in frames if k in (0, 1)][-1] == 1
    assert len(server.sink.spans()) == 1


def test_G018_json_over_grpc_is_refused_cleanly(server: Served) -> None:
    sent = h2_call(b'{"resourceSpans":[]}', "application/grpc+json")
    frames = frames_of_call(server, sent)
    assert frames[-1][1] & 1
    assert not server.sink.kept


@pytest.mark.parametrize("port", ["grpc", "http"])
def test_G019_a_tls_client_on_a_plain_port_fails_fast(server: Served, port: str) -> None:
    hello = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00" + os.urandom(200)
    started = time.monotonic()
    with server.talk(hello, port) as connection:
        try:
            while connection.recv(4096):
                pass
        except ConnectionResetError:
            pass
    assert time.monotonic() - started < 5


def health_of(server: Served, service: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(server.channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
    return int(answer.status)


def test_G020_health_is_served_and_reflection_is_not(server: Served) -> None:
    serving = health_pb2.HealthCheckResponse.SERVING
    assert health_of(server) == serving
    for method in METHOD_OF.values():
        assert health_of(server, method.split("/")[1]) == serving
    for method in ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/no/such"):
        call = server.channel.unary_unary(method)
        error = refused(functools.partial(call, b"", timeout=10))
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def test_G020_health_says_not_serving_while_draining() -> None:
    sink = Sink(gate=threading.Event())
    with serve(sink) as server:
        watch = health_pb2_grpc.HealthStub(server.channel).Watch(
            health_pb2.HealthCheckRequest(), timeout=30
        )
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        call = server.channel.unary_unary(METHOD_OF[TRACES]).future(body(), timeout=30)
        assert sink.seen.acquire(timeout=10)
        stopping = threading.Thread(target=server.collector.stop, args=(1.0,))
        stopping.start()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert sink.gate is not None
        sink.gate.set()
        assert call.result() == b""
        watch.cancel()
        stopping.join(20)
        assert not stopping.is_alive()


def test_G021_a_deadline_that_passes_is_no_acknowledgement_and_the_data_is_kept() -> None:
    sink = Sink(gate=threading.Event())
    with serve(sink) as server:
        error = refused(lambda: server.export(body(), timeout=0.2))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert not sink.kept
        # The server hears of the end a little after the client: on a busy machine the store
        # must not answer in between.
        outcome = {"transport": "grpc", "signal": "traces", "outcome": "abandoned"}
        deadline = time.monotonic() + 10
        while not server.metric("longpole_collector_requests_total", **outcome):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert sink.gate is not None
        sink.gate.set()
        while not sink.kept or server.metric("longpole_collector_in_flight_bytes"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert server.metric("longpole_collector_requests_total", **outcome) == 1
