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

from longpole.cli.exit_codes import NoAnswer, NotFound
from longpole.cli.question import Source
from longpole.cli.settings import Settings
from longpole.model.clock import SystemClock


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


def holds_data(directory: Path) -> bool:
    """Whether a store ever kept anything there; an empty directory is not at fault."""
    from longpole.storage.data_dir import DataDir

    at = DataDir(directory)
    return any(part.exists() for part in (at.manifest_path, at.journal, at.segments))


@contextmanager
def opened(
    settings: Settings, files: Sequence[Path] = (), is_single_traces: bool = False
) -> Iterator[Source]:
    """The source that these settings choose, closed at the end. `is_single_traces`: only
    `trace` matters, so files need not be explained as a whole."""
    if files:
        from longpole.cli.file_source import opened_files

        with opened_files(files, is_single_traces, settings.thresholds) as source:
            yield source
        return
    url = web_address(settings)
    if url is not None:
        from longpole.cli.http_source import HttpSource

        with HttpSource(url, settings.auth_token()) as remote:
            yield remote
        return
    if not holds_data(settings.data_dir):
        raise NotFound(
            f"there is no data in {settings.data_dir} and no server was named: start "
            "`longpole serve`, or give --data-dir, --url or --from"
        )
    from longpole.cli.local_source import LocalSource
    from longpole.cli.wiring import open_read_only
    from longpole.dashboards.answers import Answers

    clock = SystemClock()
    store = open_read_only(settings, clock)
    try:
        yield LocalSource(Answers(store, clock, thresholds=settings.thresholds))
    finally:
        store.close()
