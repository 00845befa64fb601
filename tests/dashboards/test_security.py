"""The guard of the web port: hosts, origins, token, headers."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from longpole.dashboards.security import CONTENT_SECURITY_POLICY, Scope, WebGuard, answer, host_of
from longpole.model.secret import Secret


async def _app(scope: Scope, receive: Any, send: Any) -> None:
    await answer(send, 200, b"{}")


def ask(guard: WebGuard, method: str = "GET", path: str = "/traces", **headers: str) -> Any:
    """Status and headers of one request; underscores in names stand for dashes."""
    sent: list[Any] = []
    names = {
        name.replace("_", "-"): value for name, value in {"host": "localhost", **headers}.items()
    }
    scope: Scope = {
        "type": "http", "method": method, "path": path, "query_string": b"",
        "headers": [(n.encode(), v.encode("latin-1")) for n, v in names.items() if v],
    }  # fmt: skip

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing of the body is needed")

    asyncio.run(guard(scope, receive, send))
    return sent[0]["status"], sent[0]["headers"]


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:4319", "127.0.0.1:4319", "127.0.0.1", "[::1]:4319", "localhost.:80",
     "pole.example:443"],
)  # fmt: skip
def test_known_hosts_are_answered_on_any_port(host: str) -> None:
    assert ask(WebGuard(_app, "127.0.0.1", ["Pole.example"]), host=host)[0] == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost:x", "",
     "10.0.0.1", "[::2]", "[::1", "localhost@evil.example"],
)  # fmt: skip
def test_a_foreign_host_is_misdirected(host: str) -> None:
    assert ask(WebGuard(_app, "127.0.0.1"), host=host)[0] == 421


def test_a_wildcard_bind_takes_addresses_but_no_names() -> None:
    guard = WebGuard(_app, "0.0.0.0", token=None)
    assert ask(guard, host="10.0.0.1:4319")[0] == 200
    assert ask(guard, host="rebound.example")[0] == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "x"])
def test_another_site_may_not_post(origin: str) -> None:
    guard = WebGuard(_app, "127.0.0.1")
    status, _ = ask(guard, "POST", "/api/v1/sql", host="localhost:4319", origin=origin)
    assert status == 403


@pytest.mark.parametrize("origin", ["http://localhost:4319", "https://localhost:4319", ""])
def test_the_own_site_and_programs_may_post(origin: str) -> None:
    guard = WebGuard(_app, "127.0.0.1")
    assert ask(guard, "POST", "/api/v1/sql", host="localhost:4319", origin=origin)[0] == 200


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"me:{password}".encode()).decode()


@pytest.mark.parametrize("path", ["/", "/traces", "/api/v1/status", "/metrics", "/static/x.css"])
def test_everything_asks_for_the_token(path: str) -> None:
    status, headers = ask(WebGuard(_app, "127.0.0.1", token=Secret("right")), path=path)
    assert status == 401
    assert [value for name, value in headers if name == b"www-authenticate"] == [
        b'Bearer realm="longpole"',
        b'Basic realm="longpole", charset="UTF-8"',
    ]


@pytest.mark.parametrize("given", ["Bearer right", "bearer right", basic("right")])
def test_the_token_opens(given: str) -> None:
    guard = WebGuard(_app, "127.0.0.1", token=Secret("right"))
    assert ask(guard, authorization=given)[0] == 200


@pytest.mark.parametrize(
    "given",
    ["Bearer wrong", "Bearer rightt", "Bearer", "right", basic("wrong"), "Basic !!", "Basic /w=="],
)
def test_anything_else_does_not(given: str) -> None:
    guard = WebGuard(_app, "127.0.0.1", token=Secret("right"))
    assert ask(guard, authorization=given)[0] == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_need_neither_name_nor_token(path: str) -> None:
    guard = WebGuard(_app, "127.0.0.1", token=Secret("right"))
    assert ask(guard, path=path, host="10.1.2.3:4319")[0] == 200


def test_every_answer_carries_the_security_headers() -> None:
    guard = WebGuard(_app, "127.0.0.1", token=Secret("right"))
    for headers in ({}, {"host": "evil"}, {"authorization": "Bearer right"}):
        sent = dict(ask(guard, **headers)[1])
        assert sent[b"content-security-policy"] == CONTENT_SECURITY_POLICY.encode()
        assert sent[b"x-content-type-options"] == b"nosniff"
        assert sent[b"referrer-policy"] == b"same-origin"
        assert sent[b"cross-origin-opener-policy"] == b"same-origin"
    assert "unsafe" not in CONTENT_SECURITY_POLICY


def test_a_host_with_two_ports_is_no_host() -> None:
    assert host_of("a:1:2") == ""
