"""HTTP calls to a dependency: guarded, balanced over its instances, one CLIENT span per attempt."""

from __future__ import annotations

import random
import re
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import httpx
from opentelemetry.instrumentation.httpx import RequestInfo, SyncOpenTelemetryTransport
from opentelemetry.instrumentation.utils import suppress_http_instrumentation
from opentelemetry.metrics import MeterProvider, NoOpMeterProvider, get_meter
from opentelemetry.trace import Span, TracerProvider

from shop.chassis.durations import seconds_histogram
from shop.chassis.errors import DependencyError, DependencyTimeout, DependencyUnavailable, Invalid
from shop.chassis.guard import Attempt, Guard
from shop.chassis.ports import Discovery, PolicySource
from shop.chassis.problem import raise_problem

_SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_HOLE = re.compile(r"{(\w+)}")
_SPAN_NAME = "shop.span_name"
_SPAN_ATTRIBUTES = "shop.span_attributes"
_DISTANCE_SECONDS = "shop.distance_seconds"


class HttpCaller:
    """The `Caller` of one dependency. Holds open connections; `close` gives them back."""

    def __init__(
        self,
        dependency: str,
        policy: PolicySource,
        discovery: Discovery,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self.guard = Guard(
            dependency,
            policy,
            discovery,
            clock=clock,
            sleep=sleep,
            draw=draw,
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
        )
        self._dependency = dependency
        # The package would record the address of an instance, and a port that the next one has
        # not: as many time series as there were processes, and none with the service's name.
        transport = SyncOpenTelemetryTransport(
            _WholeAnswers(sleep), tracer_provider, NoOpMeterProvider(), request_hook=_name_span
        )
        self._durations = seconds_histogram(
            get_meter("shop.calls", meter_provider=meter_provider),
            "http.client.request.duration",
            "How long a request took until its answer was there",
        )
        self._client = httpx.Client(transport=transport, trust_env=False)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str = "",
    ) -> httpx.Response:
        """As `Caller` promises."""
        filled, query = fill_template(path, params or {})
        span_name = f"{method} {path}"
        all_headers = dict(headers or {})
        if idempotency_key:
            all_headers["idempotency-key"] = idempotency_key

        def attempt(one: Attempt) -> httpx.Response:
            request = self._client.build_request(
                method,
                f"http://{one.instance.http}{filled}",
                params=query or None,
                json=json,
                headers=all_headers,
                timeout=one.timeout_seconds,
                extensions={
                    _SPAN_NAME: span_name,
                    _SPAN_ATTRIBUTES: {**one.span_attributes, "url.template": path},
                    _DISTANCE_SECONDS: one.distance_seconds,
                },
            )
            response = self._measured(request, one, path)
            raise_problem(response, self._dependency)
            return response

        may_repeat = method in _SAFE_TO_REPEAT or bool(idempotency_key)
        return self.guard.run(span_name, attempt, may_repeat=may_repeat)

    def close(self) -> None:
        """Close the connections; the caller is of no use afterwards."""
        self._client.close()

    def _measured(self, request: httpx.Request, one: Attempt, path: str) -> httpx.Response:
        labels: dict[str, str | int] = {
            "http.request.method": request.method,
            "server.address": self._dependency,
            "url.scheme": request.url.scheme,
            "url.template": path,
        }
        begun = time.perf_counter()
        try:
            response = self._send(request, one)
            labels["network.protocol.version"] = response.http_version.removeprefix("HTTP/")
            labels["http.response.status_code"] = response.status_code
            if response.status_code >= 400:
                labels["error.type"] = str(response.status_code)
            return response
        except DependencyError as error:
            labels["error.type"] = type(error.__cause__).__name__
            raise
        finally:
            self._durations.record(time.perf_counter() - begun, labels)

    def _send(self, request: httpx.Request, one: Attempt) -> httpx.Response:
        whom = f"{self._dependency} at {one.instance.http}"
        try:
            return self._client.send(request)
        except httpx.ConnectError as error:
            refusal = DependencyUnavailable(self._dependency, f"{whom} refuses connections")
            refusal.was_never_sent = True
            raise refusal from error
        except httpx.TimeoutException as error:
            late = DependencyTimeout(
                self._dependency, f"{whom} did not answer within {one.timeout_seconds:g} s"
            )
            late.was_never_sent = isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
            raise late from error
        except httpx.TransportError as error:
            raise DependencyUnavailable(
                self._dependency, f"{whom} broke the connection: {error}"
            ) from error
        except httpx.HTTPError as error:
            raise DependencyError(self._dependency, f"{whom} makes no sense: {error}") from error


def fill_template(path: str, params: Mapping[str, str | int]) -> tuple[str, dict[str, str | int]]:
    """The path with its `{names}` filled, and the parameters that are left for the query. Raises
    KeyError for a name that `params` lacks, and `Invalid` for a value that no path can hold: empty,
    or one that would be a step of the path (`.` and `..`), or half a character."""
    names = set(_HOLE.findall(path))
    filled = _HOLE.sub(lambda hole: _quoted(hole[1], str(params[hole[1]])), path)
    return filled, {key: value for key, value in params.items() if key not in names}


def _quoted(name: str, value: str) -> str:
    try:
        quoted = quote(value, safe="")
    except UnicodeEncodeError as error:
        raise Invalid(f"{name} is not text") from error
    if quoted in ("", ".", ".."):
        raise Invalid(f"{name} is {value!r}, which names nothing")
    return quoted


class _WholeAnswers(httpx.BaseTransport):
    """Reads the body before it hands the answer on, so that the span covers the whole answer."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        # Services speak plain HTTP among themselves; a context that trusts nobody spares each
        # process the megabytes of the public certificates.
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=16)
        self._transport = httpx.HTTPTransport(verify=nobody, limits=limits)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        # If httpx is instrumented globally as well, one span for an attempt is still enough.
        distance_seconds = float(request.extensions.get(_DISTANCE_SECONDS, 0.0))
        if distance_seconds > 0:
            self._sleep(distance_seconds)
        with suppress_http_instrumentation():
            response = self._transport.handle_request(request)
            response.read()
        return response

    def close(self) -> None:
        self._transport.close()


def _name_span(span: Span, request: RequestInfo) -> None:
    extensions = request.extensions or {}
    span.update_name(extensions[_SPAN_NAME])
    span.set_attributes(extensions[_SPAN_ATTRIBUTES])
