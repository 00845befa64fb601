"""The demo from its start to its end: processes, story, and an orderly stop."""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from longpole.cli.demo_narration import JsonNarrator, TextNarrator
from longpole.cli.demo_processes import Child
from longpole.cli.demo_server import (
    START_SECONDS,
    ServerSettings,
    server_settings,
    start_server,
    wait_for_pages,
)
from longpole.cli.demo_shop import (
    COMMAND,
    DemoFailed,
    Fault,
    Registry,
    catalogue,
    chosen,
    faults_text,
    require_shop,
)
from longpole.cli.demo_story import Plan, Stage, tell
from longpole.cli.settings import environment

# Ended last to first: the shop before the server, so that nothing it sends is refused.
STOP_SECONDS = 30.0
ENOUGH_SECONDS = 60.0
# A busy machine gets so much longer for the story, rather than none of its end.
GRACE_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for; `given` are the server's flags, None where not given."""

    fault: str
    rate: float
    duration_seconds: float | None
    as_json: bool
    given: Mapping[str, Any]


class Stopped(Exception):
    """Ctrl-C or SIGTERM."""


class TimeOver(Exception):
    """The duration is over."""


@dataclass(slots=True)
class Watch:
    """Waits, and notices meanwhile what ends the demo."""

    ends: float = float("inf")
    stop: threading.Event = field(default_factory=threading.Event)
    hurry: threading.Event = field(default_factory=threading.Event)
    children: list[Child] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        """Raises `Stopped`, `TimeOver`, or `DemoFailed` when a process has ended."""
        if self.stop.wait(max(0.0, min(seconds, self.ends - time.monotonic()))):
            raise Stopped
        for child in self.children:
            if child.is_ready and not child.is_running:
                raise DemoFailed(f"the {child.name} ended on its own:\n{child.last_words()}")
        if time.monotonic() >= self.ends:
            raise TimeOver


def list_all_faults(as_json: bool) -> None:
    """Print the shop's catalogue."""
    from longpole.cli.output import print_document

    require_shop()
    faults = catalogue(environment())
    if not as_json:
        click.echo(faults_text(faults))
        return
    for fault in faults:
        words = {"name": fault.name, "summary": fault.summary, "root": fault.root}
        print_document({**words, "say": fault.say})


def run(asked: Request) -> None:
    """The whole demo; when it returns, nothing of it is left. Raises the failures that carry
    an exit code."""
    require_shop()
    env = environment()
    fault = chosen(catalogue(env), asked.fault)
    duration = ENOUGH_SECONDS if asked.duration_seconds is None else asked.duration_seconds
    watch = Watch()
    with _signals(watch), _own_folder() as folder:
        wanted = server_settings(asked.given, env, folder)
        try:
            _play(asked, watch, env, folder, wanted, fault, Plan.within(duration))
        except Stopped:
            click.echo("demo: stopping", err=asked.as_json)
        except TimeOver:
            raise DemoFailed(
                f"{duration:.0f} seconds and {GRACE_SECONDS:.0f} more are over before "
                f"{fault.name} was explained: this machine is too busy"
            ) from None
        finally:
            code = _end(watch)
            click.echo(f"demo: stopped (server exit code {code})", err=asked.as_json)
        if code and not watch.hurry.is_set():
            raise DemoFailed(f"the server ended with exit code {code}")


def _play(
    asked: Request,
    watch: Watch,
    env: Mapping[str, str],
    folder: Path,
    wanted: ServerSettings,
    fault: Fault,
    plan: Plan,
) -> None:
    from longpole.cli.http_source import HttpSource
    from longpole.model.clock import SystemClock

    address = start_server(wanted, env, watch.pause, watch.children)
    url = f"http://{address['web']}"
    narrator = JsonNarrator() if asked.as_json else TextNarrator(url)
    for taken in wanted.taken:
        narrator.note(f"{taken} is taken, so a free port stands in for it")
    wait_for_pages(url, watch.pause)
    narrator.started(address)
    token = wanted.settings.auth_token()
    if token is not None:
        header = "authorization=" + quote(f"Bearer {token.reveal()}")
        env = {**env, "OTEL_EXPORTER_OTLP_HEADERS": header}
    shop = _open_shop(asked, watch, env, folder, address["grpc"])
    narrator.opened(shop, asked.rate)
    # The time of the demo begins when there is something to see, and its story is told to the end.
    begun = time.monotonic()
    if asked.duration_seconds is not None:
        watch.ends = begun + asked.duration_seconds + GRACE_SECONDS
    with HttpSource(url, token) as source, Registry(shop["registry"]) as registry:
        stage = Stage(source, registry, SystemClock(), watch.pause, wanted.settings.settle_after)
        tell(stage, fault, plan, narrator)
    if asked.duration_seconds is not None:
        watch.ends = begun + asked.duration_seconds
    narrator.note("traffic goes on; Ctrl-C stops everything")
    with suppress(TimeOver):
        while True:
            watch.pause(1.0)


def _open_shop(
    asked: Request, watch: Watch, env: Mapping[str, str], folder: Path, otlp: str
) -> dict[str, str]:
    """Its addresses: `gateway`, `registry` and further ones. Raises `DemoFailed`."""
    command = [
        *COMMAND, "up", "--rate", f"{asked.rate:g}", "--otlp-endpoint", f"http://{otlp}",
        "--data-dir", str(folder / "shop"),
    ]  # fmt: skip
    child = Child("sample shop", command, env, "shop ready")
    watch.children.append(child)
    ready = child.wait_ready(START_SECONDS, watch.pause)
    if ready is None or not {"gateway", "registry"} <= ready.keys():
        raise DemoFailed(f"the sample shop does not start:\n{child.last_words()}")
    return ready


def _end(watch: Watch) -> int:
    """Stop what was started, the last first. The server's exit code; 0 when there was none."""
    code = 0
    for child in reversed(watch.children):
        code = child.stop(STOP_SECONDS, watch.hurry.is_set)
    return code


@contextmanager
def _signals(watch: Watch) -> Iterator[None]:
    """SIGINT and SIGTERM stop the demo; one more makes it hurry."""

    def note(_number: int, _frame: object) -> None:
        (watch.hurry if watch.stop.is_set() else watch.stop).set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _own_folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="longpole-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
