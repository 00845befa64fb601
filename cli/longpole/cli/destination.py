"""Where an import goes: a server over OTLP/HTTP, or a data directory that nobody holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import httpx

from longpole.cli.exit_codes import NoAnswer
from longpole.cli.partial_success import partial_success
from longpole.cli.request_pieces import Piece
from longpole.cli.settings import Settings
from longpole.formats import otlp
from longpole.model.clock import Clock, SystemClock
from longpole.model.secret import Secret
from longpole.storage.ports import Intake, Overloaded, StorageError

MOST_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a piece, in records. `repeated` ones were there already and are not
    stored again; None when the answer does not tell them from imported ones. `unknown`: no
    answer came, it may be stored."""

    imported: int = 0
    repeated: int | None = 0
    rejected: int = 0
    unknown: int = 0
    reason: str = ""


class Destination(Protocol):
    """Takes pieces of OTLP."""

    def take(self, piece: Piece) -> Fate: ...


@contextmanager
def opened_destination(settings: Settings) -> Iterator[Destination]:
    """The server of these settings, else their data directory; settled and sealed at the end."""
    from longpole.cli.source import web_address

    url = web_address(settings)
    if url is not None:
        from longpole.cli.http_source import HttpSource

        token = settings.auth_token()
        with HttpSource(url, token) as source:
            at = source.status()["addresses"].get("http", "")
        host, _, port = at.rpartition(":")
        if not port:
            raise NoAnswer(f"the server at {url} does not say where it receives OTLP/HTTP")
        if host in ("0.0.0.0", "[::]"):
            # Bound to every interface: then also to the one that the web was asked on.
            host = httpx.URL(url).host
        with httpx.Client(timeout=120, trust_env=False) as client:
            yield OtlpServer(client, f"http://{host}:{port}", token)
        return
    from longpole.analyzer.clocks.clock_history import ClockHistory
    from longpole.analyzer.settle import settle_once
    from longpole.cli.wiring import open_store

    clock = SystemClock()
    # Nothing else arrives, so a trace is quiet as soon as it is here.
    store = open_store(replace(settings, settle_after=0.0, settle_at_most=0.0), clock, {})
    try:
        store.load()
        history = ClockHistory()

        def settle() -> None:
            while settle_once(store, clock, thresholds=settings.thresholds, history=history).traces:
                pass

        def make_room() -> None:
            settle()
            store.seal()

        yield DataDirectory(store, clock, make_room)
        settle()
    finally:
        store.close()


class OtlpServer:
    """Sends over OTLP/HTTP and does as a well-behaved exporter: retries what may be retried."""

    def __init__(self, client: httpx.Client, url: str, token: Secret | None) -> None:
        self._client = client
        self._url = url
        self._headers = {"Content-Type": "application/x-protobuf"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token.reveal()}"

    def take(self, piece: Piece) -> Fate:
        for _ in range(MOST_ATTEMPTS):
            try:
                response = self._client.post(
                    f"{self._url}/v1/{piece.signal.value}",
                    content=piece.body,
                    headers=self._headers,
                )
            except httpx.ConnectError as error:
                return Fate(rejected=piece.records, reason=f"nothing was sent: {error}")
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
                return Fate(unknown=piece.records, reason=f"no answer came: {reason}")
            if response.status_code not in (429, 502, 503, 504):
                return self._fate(piece, response)
            wait = response.headers.get("Retry-After", "1")
            # The server said when to come back; this is not a guess.
            time.sleep(min(float(wait) if wait.isdigit() else 1.0, 5.0))
        return Fate(rejected=piece.records, reason="the server stayed unavailable")

    def _fate(self, piece: Piece, response: httpx.Response) -> Fate:
        if response.status_code != 200:
            return Fate(rejected=piece.records, reason=f"refused with {response.status_code}")
        rejected, message = partial_success(piece.signal, response.content)
        # OTLP accepts a repeat with the same answer as something new.
        return Fate(piece.records - rejected, None, rejected, reason=message)


class DataDirectory:
    """Hands pieces to a store in this process; returns when they are durable."""

    def __init__(self, store: Intake, clock: Clock, make_room: Callable[[], None]) -> None:
        """`make_room` does what is to be done with what was handed over, so that more may
        come: no server is there to do so beside."""
        self._store = store
        self._clock = clock
        self._make_room = make_room

    def take(self, piece: Piece) -> Fate:
        telemetry = otlp.decode(piece.signal, piece.body)
        now = self._clock.now_unix_nano()
        try:
            try:
                receipt = self._store.submit(telemetry, now).result()
            except Overloaded:
                self._make_room()
                receipt = self._store.submit(telemetry, now).result()
        except StorageError as error:
            return Fate(rejected=piece.records, reason=str(error))
        if receipt.is_repeat:
            return Fate(repeated=telemetry.accepted, rejected=telemetry.rejected)
        return Fate(imported=telemetry.accepted, rejected=telemetry.rejected)
