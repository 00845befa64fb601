"""Addresses, tokens, and what the collector tells about itself."""

from __future__ import annotations

import ast
import json
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from prometheus_client import generate_latest

import longpole.collector.metrics
from longpole.collector import binding
from longpole.collector.binding import AddressInUse, InvalidAddress, OpenRemoteBind, check_bind
from longpole.collector.metrics import METRICS
from longpole.model.secret import Secret
from tests.collector import messages
from tests.collector.serving import JSON, Served, refused, serve

ROOM = Path(longpole.collector.metrics.__file__).parent


@pytest.mark.parametrize(
    "address", ["127.0.0.1:4317", "127.9.8.7:1", "[::1]:4317", "localhost:4317"]
)
def test_loopback_needs_no_token(address: str) -> None:
    check_bind(address, has_token=False, allow_remote=False)


@pytest.mark.parametrize("address", ["0.0.0.0:4317", "[::]:4317", "10.0.0.5:1", "shop.example:1"])
def test_a_remote_bind_is_refused_in_one_line_that_names_both_ways_out(address: str) -> None:
    with pytest.raises(OpenRemoteBind) as refusal:
        check_bind(address, has_token=False, allow_remote=False)
    message = str(refusal.value)
    assert "\n" not in message
    assert "--auth-token-file" in message
    assert "--insecure-allow-remote" in message
    check_bind(address, has_token=True, allow_remote=False)
    check_bind(address, has_token=False, allow_remote=True)


@pytest.mark.parametrize("text", ["", "4317", ":4317", "host:", "host:x", "host:70000"])
def test_a_text_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        binding.split_address(text)


@pytest.mark.parametrize(
    ("setting", "flag"), [("grpc_address", "--otlp-grpc"), ("http_address", "--otlp-http")]
)
def test_a_taken_port_is_named_with_its_flag(setting: str, flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(AddressInUse) as refusal, serve(None, **{setting: address}):
            pass
    assert address in str(refusal.value)
    assert flag in str(refusal.value)


@pytest.fixture(scope="module")
def guarded() -> object:
    with serve(token=Secret("open sesame")) as server:
        yield server


@pytest.mark.parametrize(
    "header", [None, "", "open sesame", "Bearer", "Bearer no", "Basic open sesame", "Bearer ü"]
)
def test_without_the_token_nothing_is_taken(guarded: Served, header: str | None) -> None:
    body = messages.traces().SerializeToString()
    headers = {} if header is None else {"authorization": header.encode("latin-1")}
    answer = guarded.post(body, **headers)  # type: ignore[arg-type]
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    if header is None or header.isascii():
        metadata = () if header is None else (("authorization", header),)
        error = refused(lambda: guarded.export(body, metadata=metadata))
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert not guarded.sink.kept


def test_with_the_token_both_transports_take_data(guarded: Served) -> None:
    body = messages.traces().SerializeToString()
    assert guarded.post(body, authorization="Bearer open sesame").status_code == 200
    assert guarded.post(body, authorization="bearer open sesame").status_code == 200
    guarded.export(body, metadata=(("authorization", "Bearer open sesame"),))
    assert len(guarded.sink.kept) == 3
    guarded.sink.clear()


def test_an_unauthenticated_body_is_not_read(guarded: Served) -> None:
    head = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    with guarded.talk(head + b"content-length: 1000000\r\n\r\n") as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 401")


def test_a_secret_never_shows_itself() -> None:
    secret = Secret("open sesame")
    assert "sesame" not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    assert secret.matches("open sesame")
    assert not secret.matches("open sesam")


def test_tokens_are_compared_in_constant_time() -> None:
    """`==` on a token tells its first wrong byte to a patient client."""
    for module in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
                assert "token" not in ast.unparse(node), module.name


def test_metrics_are_those_of_the_table_and_take_no_label_from_a_request() -> None:
    evil = "evil-value"
    with serve() as server:
        body = messages.json_traces(messages.json_span(name=evil), messages.json_span(spanId=""))
        server.post(body, content_type=JSON, user_agent=evil, x_scope_orgid=evil)
        server.post(b"", path=f"/{evil}")
        server.post(b"", method=evil.upper().replace("-", ""))
        server.post(b"x", content_type=f"text/{evil}")
        server.post(b"x", content_encoding=evil)
        text = generate_latest(server.registry).decode()
        records = "longpole_collector_records_total"
        assert server.metric(records, signal="traces", outcome="accepted") == 1
        assert server.metric(records, signal="traces", outcome="rejected") == 1
        refusals = "longpole_collector_refusals_total"
        assert server.metric(refusals, transport="http", reason="unknown_path") == 1
    assert "evil" not in text.lower()
    registered = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    created = {name for name in registered if name.endswith("_created")}
    assert registered - created == set(METRICS)


def test_the_collector_is_imported_without_the_heavy_rooms() -> None:
    code = (
        "import sys, longpole.collector.server; "
        "print(sorted({'duckdb', 'fastapi', 'jinja2', 'starlette'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_second_stop_has_no_effect() -> None:
    with serve() as server:
        assert server.collector.is_ready
        server.collector.stop(1.0)
        server.collector.stop(1.0)
        assert not server.collector.is_ready
