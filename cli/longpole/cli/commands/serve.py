"""`longpole serve`: receive, keep, explain, until a signal says stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

import click

from longpole.cli.exit_codes import Exit
from longpole.cli.options import resolved, server_options
from longpole.cli.settings import environment, unknown_variables

# Whoever has to wait for a busy thread (settling) waits so long, hundreds of times a question:
# with Python's usual 5 ms a page takes seconds while data comes in.
SWITCH_SECONDS = 0.0005


@click.command("serve")
@server_options
def command(**given: Any) -> None:
    """Receive OpenTelemetry data, keep it and explain it.

    Prints one line `ready grpc=HOST:PORT http=HOST:PORT web=HOST:PORT` once data is accepted.
    SIGTERM or Ctrl-C drains and exits 0; a second one ends at once.
    """
    settings = resolved(given)
    from longpole.cli.log_output import log_to_stderr

    log_to_stderr(settings.log_level, sys.stderr.isatty())
    from loguru import logger

    for name in unknown_variables(environment()):
        logger.warning("no setting reads the variable {}", name)
    stop, hurry = threading.Event(), threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)

    from longpole.cli.server import Server, ready_line
    from longpole.model.clock import SystemClock

    sys.setswitchinterval(SWITCH_SECONDS)
    server = Server(settings, SystemClock())
    server.start()
    click.echo(ready_line(server))
    sys.stdout.flush()
    server.start_behind()
    while not stop.wait(3600):
        pass
    stopping = threading.Thread(target=server.stop, name="stop", daemon=True)
    stopping.start()
    while stopping.is_alive():
        stopping.join(0.1)
        if hurry.is_set():
            # What was acknowledged is in the journal already; only tidying up is skipped.
            sys.stderr.flush()
            os._exit(Exit.DONE)
