"""The server of the demo: its settings, and the process."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longpole.cli import settings as table
from longpole.cli.demo_processes import LOOK_SECONDS, Child
from longpole.cli.exit_codes import Exit, NoAnswer, Refused

SETTLE_AFTER = "2"
PORTS = ("otlp_grpc", "otlp_http", "web")
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """`settings` as the server resolves them, `flags` its command line, `taken` the usual
    addresses that somebody else listens on and that free ones replace."""

    settings: table.Settings
    flags: list[str]
    taken: list[str]


def server_settings(
    given: Mapping[str, Any],
    env: Mapping[str, str],
    folder: Path,
    is_taken: Callable[[str], bool] | None = None,
) -> ServerSettings:
    """The usual settings apply; where nobody set one (`given` are the flags), the demo settles
    traces sooner, keeps its data in `folder`, and does without ports that are taken."""
    is_taken = is_taken or _is_taken
    flags = {name: value for name, value in given.items() if value is not None}
    defaults = table.resolve({}, {"HOME": str(folder)})
    chosen = table.resolve(flags, env)

    def is_set(name: str) -> bool:
        named = flags.get(name) is not None or bool(env.get(table.BY_NAME[name].variable))
        if name == "data_dir":
            return named or chosen.data_dir != table.default_data_dir(env)
        return named or getattr(chosen, name) != getattr(defaults, name)

    taken = [
        getattr(chosen, name)
        for name in PORTS
        if not is_set(name) and is_taken(getattr(chosen, name))
    ]
    flags |= {
        name: "127.0.0.1:0" for name in PORTS if not is_set(name) and getattr(chosen, name) in taken
    }
    if not is_set("settle_after"):
        flags["settle_after"] = SETTLE_AFTER
    if not is_set("data_dir"):
        flags["data_dir"] = str(folder / "data")
    return ServerSettings(table.resolve(flags, env), _command_line(flags), taken)


def _command_line(flags: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    for name, value in flags.items():
        flag = table.BY_NAME[name].flag if name in table.BY_NAME else f"--{name}"
        words += [flag] if value is True else [] if value is False else [flag, str(value)]
    return words


def _is_taken(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET6 if "[" in host else socket.AF_INET) as probe:
        # As servers do, so that connections of a server that just ended are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError:
            return True
    return False


def start_server(
    wanted: ServerSettings,
    env: Mapping[str, str],
    pause: Callable[[float], None],
    began: list[Child],
) -> dict[str, str]:
    """Addresses to connect to: `grpc`, `http`, `web`. The process joins `began` at once.
    Raises `Refused` or `NoAnswer` with its own words when it does not start."""
    command = [sys.executable, "-P", "-m", "longpole.cli", "serve", *wanted.flags]
    child = Child("server", command, env, "ready")
    began.append(child)
    ready = child.wait_ready(START_SECONDS, pause)
    if ready is None or not {"grpc", "http", "web"} <= ready.keys():
        is_refused = not child.is_running and child.process.returncode == Exit.USAGE
        kind = Refused if is_refused else NoAnswer
        raise kind(f"the server does not start:\n{child.last_words()}")
    # A wildcard address is one to listen on, not one to connect to.
    return {
        name: address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")
        for name, address in ready.items()
    }


def wait_for_pages(url: str, pause: Callable[[float], None]) -> None:
    """Until questions are answered: on a busy machine the pages load for seconds after the ready
    line, and a question that is asked meanwhile may be told to come again. Raises `NoAnswer`."""
    import httpx

    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(base_url=url, timeout=5.0, trust_env=False) as client:
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if client.get("/readyz").status_code == 200:
                    return
            pause(LOOK_SECONDS)
    raise NoAnswer("the server's pages do not load; this machine is too busy")
