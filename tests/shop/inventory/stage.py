"""The stage: services of the shop in this process, over real HTTP and a real database file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind

from shop.chassis.build import make_chassis
from shop.chassis.chassis import Chassis, Parts
from shop.chassis.discovery import RegistryDiscovery
from shop.chassis.heartbeat import Held
from shop.chassis.ports import Caller, CallPolicy, Delivery, Event, Events, Instance
from shop.chassis.process import HttpServer, listen_on
from shop.chassis.settings import Settings
from shop.chassis.switches import HeldFaults, HeldFlags
from shop.faults.catalogue import CATALOGUE

ONCE = CallPolicy(timeout_seconds=5.0, max_attempts=1, breaker_failures=0)


class Spans(SpanProcessor):
    """What was traced since the last `clear`."""

    def __init__(self) -> None:
        self._finished: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self._finished.append(span)

    def named(self, name: str) -> list[ReadableSpan]:
        """Finished spans of this name, oldest first."""
        return [span for span in list(self._finished) if span.name == name]

    def served(self, name: str, count: int = 1) -> list[ReadableSpan]:
        """The SERVER spans of this name, once there are so many: a server ends its span after the
        client has the answer."""

        def found() -> list[ReadableSpan]:
            return [span for span in self.named(name) if span.kind is SpanKind.SERVER]

        wait_until(lambda: len(found()) >= count, f"{count} spans {name}")
        return found()

    def clear(self) -> None:
        """Forget them."""
        self._finished.clear()


_spans = Spans()
_watched: set[int] = set()


@contextmanager
def traced() -> Iterator[Spans]:
    """Record spans from here on. Providers can't be replaced: whoever comes first makes it."""
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    if id(provider) not in _watched:
        provider.add_span_processor(_spans)
        _watched.add(id(provider))
    _spans.clear()
    yield _spans


class Stage:
    """A folder for the databases, one set of fault switches, and who listens where."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.held = Held(RegistryDiscovery(), HeldFaults(), HeldFlags())
        self._instances: list[dict[str, Any]] = []
        self._faults: dict[str, Any] = {}
        self._ends: list[Callable[[], None]] = []

    def break_it(self, fault: str, **parameters: float) -> None:
        """Switch a fault on."""
        self._faults[fault] = CATALOGUE[fault].parameters_with(parameters)
        self.held.faults.hold(self._faults)

    def mend(self) -> None:
        """Switch all faults off."""
        self._faults = {}
        self.held.faults.hold({})

    def chassis(self, service: str, **settings: Any) -> Chassis:
        """The chassis of one service. `settings` are fields of `Settings`."""
        told = Settings(service, data_dir=self.folder, broker="local")
        return make_chassis(replace(told, **settings), None, self.held)

    def serve(self, app: FastAPI, *services: str) -> None:
        """Serve an app; it is found under each of these names."""
        listener = listen_on("127.0.0.1:0")
        FastAPIInstrumentor.instrument_app(app, exclude_spans=["receive", "send"])
        server = HttpServer(app, listener, 1.0)
        server.start()
        self._ends.append(server.stop)
        port = listener.getsockname()[1]
        for name in services:
            here = Instance(name, f"{name}-1", "1.0.0", "node-a", f"127.0.0.1:{port}")
            self._instances.append({field: getattr(here, field) for field in here.__slots__})
        self.held.discovery.hold(self._instances)

    def start(self, build: Callable[[Chassis], Parts], service: str, **settings: Any) -> Chassis:
        """Run a service as its process would: its app, its consumers, what it wants to run."""
        chassis = self.chassis(service, **settings)
        parts = build(chassis)
        self.serve(parts.app, service)
        for action in parts.on_start:
            action()
        chassis.events.start()
        missing = [said for check in parts.ready_checks if (said := check())]
        assert not missing
        self._ends += [*reversed(parts.on_stop), chassis.events.stop]
        return chassis

    def caller(self, service: str, policy: CallPolicy = ONCE) -> Caller:
        """A client of a service on the stage."""
        from shop.chassis.caller import HttpCaller

        caller = HttpCaller(service, policy, self.held.discovery)
        self._ends.append(caller.close)
        return caller

    def close(self) -> None:
        """End everything, in the reverse order."""
        for end in reversed(self._ends):
            end()


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """A stage for the time of the block."""
    stage = Stage(folder)
    try:
        yield stage
    finally:
        stage.close()


class HeardEvents:
    """An `Events` that keeps what is published, for consumers that are called by hand."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Event]] = []

    def publish(self, topic: str, event: Event) -> None:
        self.published.append((topic, event))

    def subscribe(self, topic: str, group: str, handler: Any, *, types: Any = ()) -> None: ...

    def subscribe_batches(
        self, topic: str, group: str, handler: Any, *, max_events: int = 20
    ) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


def delivery(event: Event, topic: str, attempt: int = 1) -> Delivery:
    """An event as a broker would hand it over."""
    return Delivery(event, topic, "group", attempt, 0)


def collect(events: Events, topic: str, seen: list[Event], types: Sequence[str] = ()) -> None:
    """Have every event of a topic put on a list; to be called before the events start."""
    events.subscribe(topic, "collector", lambda one: seen.append(one.event), types=types)


def wait_until(is_so: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Wait for a condition; fail with its name when it does not come true."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)
