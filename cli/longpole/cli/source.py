"""One question, one source: a server over HTTP, the data directory, or files.

    --from FILE…            decoded into memory; nothing else is read
    --url, LONGPOLE_URL     that server; no answer is exit code 4
    lock file of a server   the server that holds the data directory; no answer is exit code 4
    otherwise               the data directory, read-only

Whichever it is, the answer is the same JSON document.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longpole.cli.exit_codes import NoAnswer, NotFound, Refused
from longpole.cli.question import Asked, Source, unknown
from longpole.cli.settings import Settings
from longpole.model.clock import SystemClock

if TYPE_CHECKING:
    from longpole.dashboards.answers import Answers


def web_address(settings: Settings) -> str | None:
    """The server to ask: `--url`, else the one that holds the data directory."""
    if settings.url is not None:
        return settings.url
    from longpole.storage.data_dir import DataDir

    held = DataDir(settings.data_dir).read_lock()
    if held is None:
        return None
    address = held.addresses.get("web")
    if not address:
        raise NoAnswer(
            f"process {held.pid} holds {settings.data_dir} but names no web address yet; "
            "ask again in a moment, or give --url"
        )
    # A wildcard address is one to listen on, not one to connect to.
    return "http://" + address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")


@contextmanager
def opened(settings: Settings, files: Sequence[Path] = ()) -> Iterator[Source]:
    """The source that these settings choose, closed at the end."""
    if files:
        with _memory(files) as source:
            yield source
        return
    url = web_address(settings)
    if url is not None:
        from longpole.cli.http_source import HttpSource

        with HttpSource(url, settings.auth_token()) as remote:
            yield remote
        return
    if not settings.data_dir.is_dir():
        raise NotFound(
            f"there is no data in {settings.data_dir} and no server was named: start "
            "`longpole serve`, or give --data-dir, --url or --from"
        )
    from longpole.cli.wiring import open_read_only
    from longpole.dashboards.answers import Answers

    clock = SystemClock()
    store = open_read_only(settings, clock)
    try:
        yield LocalSource(Answers(store, clock))
    finally:
        store.close()


@contextmanager
def _memory(files: Sequence[Path]) -> Iterator[Source]:
    from longpole.analyzer.settle import settle_once
    from longpole.cli.telemetry_files import telemetry_in
    from longpole.dashboards.answers import Answers
    from longpole.storage.memory import MemoryStore

    clock = SystemClock()
    # Nothing more comes from a file, so its traces are quiet, and settled, at once.
    store = MemoryStore(clock, settle_after_seconds=0.0, settle_at_most_seconds=0.0)
    for file in files:
        for telemetry in telemetry_in(file):
            store.submit(telemetry, clock.now_unix_nano()).result()
    while settle_once(store, clock).traces:
        pass
    try:
        yield LocalSource(Answers(store, clock))
    finally:
        store.close()


class LocalSource:
    """Asks a store in this process."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def traces(self, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.traces(asked)

    def trace(self, trace_id: str, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.trace(trace_id, asked)

    def critical_path(self, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.critical_path(asked)

    def services(self, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.services(asked)

    def status(self) -> dict[str, Any]:
        return self._answers.status()

    def sql(self, text: str, max_rows: int, timeout_seconds: float) -> dict[str, Any]:
        with _as_failures():
            return self._answers.sql(text, max_rows, timeout_seconds)

    @contextmanager
    def export(self, asked: Asked) -> Iterator[Iterator[bytes]]:
        with _as_failures():
            yield self._answers.export(asked).chunks

    def page_url(self, trace_id: str) -> str:
        return ""


@contextmanager
def _as_failures() -> Iterator[None]:
    from longpole.dashboards import errors

    try:
        yield
    except errors.UnknownTrace as error:
        raise NotFound(unknown(str(error), error.reasons)) from None
    except errors.ANSWERED as error:
        raise Refused(str(error)) from None
