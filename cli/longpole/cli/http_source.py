"""Asks a running server over its API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx

from longpole.cli.exit_codes import Failure, NoAnswer, NotFound, Refused
from longpole.cli.parameter_flags import in_flags
from longpole.cli.question import Asked, unknown
from longpole.dashboards.links import BY_PARAMETER
from longpole.model.secret import Secret

# Connecting to a server on this machine is instant; an answer may take a long query's time.
TIMEOUT = httpx.Timeout(30.0, connect=5.0, read=660.0)


# A server that starts waits itself before it says so; then its pages take seconds.
MOST_TRIES = 20


class HttpSource:
    """One client for one server; a context manager."""

    def __init__(self, url: str, token: Secret | None) -> None:
        self._url = url
        headers = {"Authorization": f"Bearer {token.reveal()}"} if token else {}
        # trust_env=False: a proxy for the internet has no business with this address.
        self._client = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT, trust_env=False)

    def __enter__(self) -> HttpSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def traces(self, asked: Asked) -> dict[str, Any]:
        return self._get("traces", asked)

    def trace(self, trace_id: str, asked: Asked) -> dict[str, Any]:
        return self._get(f"traces/{quote(trace_id, safe='')}", asked)

    def critical_path(self, asked: Asked) -> dict[str, Any]:
        return self._get("critical-path", asked)

    def findings(self, asked: Asked) -> dict[str, Any]:
        return self._get("findings", asked)

    def gaps(self, asked: Asked) -> dict[str, Any]:
        return self._get("gaps", asked)

    def root_cause(self, asked: Asked) -> dict[str, Any]:
        return self._get("root-cause", asked)

    def what_if(self, asked: Asked) -> dict[str, Any]:
        return self._get("what-if", asked)

    def logs(self, asked: Asked) -> dict[str, Any]:
        return self._get("logs", asked)

    def log_patterns(self, asked: Asked) -> dict[str, Any]:
        return self._get("logs/patterns", asked)

    def compare(self, asked: Asked) -> dict[str, Any]:
        return self._get("compare", asked)

    def service_map(self, asked: Asked) -> dict[str, Any]:
        return self._get("map", asked)

    def compare_traces(self, asked: Asked) -> dict[str, Any]:
        return self._get("compare/traces", asked)

    def services(self, asked: Asked) -> dict[str, Any]:
        return self._get("services", asked)

    def service_verdict(self, service: str, asked: Asked) -> dict[str, Any]:
        # No path can hold every name.
        return self._get(f"services/{BY_PARAMETER}/verdict", {**asked, "service": [service]})

    def alerts(self) -> dict[str, Any]:
        document = self._get("alerts", {})
        if "firing" not in document:
            # A Prometheus answers there too, and its alerts are not shown as ours.
            raise self._stranger()
        return document

    def status(self) -> dict[str, Any]:
        return self._get("status", {})

    def sql(self, text: str, max_rows: int, timeout_seconds: float) -> dict[str, Any]:
        question = {"sql": text, "max_rows": max_rows, "timeout_seconds": timeout_seconds}
        with self._no_answer():
            response = self._client.post("/api/v1/sql", json=question)
        return self._document(response)

    @contextmanager
    def export(self, asked: Asked) -> Iterator[Iterator[bytes]]:
        with (
            self._no_answer(),
            self._client.stream("GET", "/api/v1/export", params=_pairs(asked)) as response,
        ):
            if response.status_code != 200:
                response.read()
                raise self._failure(response)
            yield response.iter_bytes()

    def page_url(self, trace_id: str) -> str:
        return f"{self._url}/traces/{trace_id}"

    def _get(self, path: str, asked: Asked) -> dict[str, Any]:
        with self._no_answer():
            response = self._client.get(f"/api/v1/{path}", params=_pairs(asked))
            for _ in range(MOST_TRIES):
                if not _is_starting(response):
                    break
                # The server said when to come back; this is not a guess.
                time.sleep(_retry_seconds(response))
                response = self._client.get(f"/api/v1/{path}", params=_pairs(asked))
        return self._document(response)

    def _document(self, response: httpx.Response) -> dict[str, Any]:
        if response.status_code != 200:
            raise self._failure(response)
        try:
            document = response.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise self._stranger()
        return document

    def _stranger(self) -> NoAnswer:
        return NoAnswer(f"{self._url} answers, but not as a Longpole server does")

    @contextmanager
    def _no_answer(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise NoAnswer(f"the server at {self._url} does not answer: {reason}") from None

    def _failure(self, response: httpx.Response) -> Failure:
        try:
            error = response.json()["error"]
            message, reasons = str(error["message"]), error.get("reasons", [])
            code = str(error["code"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return NoAnswer(f"{self._url} answers {response.status_code}, not as Longpole does")
        if code in ("unknown_trace", "unknown_service", "unknown_operation", "nothing_typical"):
            return NotFound(unknown(message, reasons))
        if response.status_code == 401:
            return Refused(f"{message}; --auth-token-file names the file that holds it")
        if response.status_code in (500, 503):
            return NoAnswer(message)
        return Refused(in_flags(message) if code == "bad_question" else message)


def _is_starting(response: httpx.Response) -> bool:
    """Whether the server takes data already, and cannot answer questions yet."""
    return response.status_code == 503 and b'"starting"' in response.content


def _retry_seconds(response: httpx.Response) -> float:
    wait = response.headers.get("Retry-After", "1")
    return min(float(wait), 5.0) if wait.isdigit() else 1.0


def _pairs(asked: Asked) -> list[tuple[str, str | int | float | bool | None]]:
    return [(name, value) for name, values in asked.items() for value in values]
