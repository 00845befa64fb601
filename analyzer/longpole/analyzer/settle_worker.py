"""`python -m longpole.analyzer.settle_worker FD` explains rounds for the server that started it.

It has nothing but the pipe: it neither stores nor asks, and ends when the other end is closed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from loguru import logger

from longpole.analyzer.settle_messages import (
    READY,
    LogLine,
    receive_round,
    send_explained,
    send_failure,
)
from longpole.model.heap import trim_heap, use_one_heap

if TYPE_CHECKING:
    from loguru import Message

    from longpole.analyzer.columnar.readiness import CompiledCore

# Telemetry is taken in and questions are answered first.
_NICENESS = 5


def main() -> int:
    """Serve until the server is gone; 0 then."""
    # Keys and signals to the whole group are for the server, which closes the pipe in time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    use_one_heap()
    from longpole.analyzer.columnar.readiness import CORE

    CORE.start()
    CORE.wait(timeout_seconds=600.0)
    gc.collect()
    gc.freeze()
    with Connection(int(sys.argv[1])) as pipe, contextlib.suppress(EOFError, ConnectionError):
        pipe.send(READY)
        _serve(pipe, CORE)
    return 0


def _serve(pipe: Connection, core: CompiledCore) -> None:
    from longpole.analyzer.settle_round import explained_round

    lines: list[LogLine] = []

    def noted(message: Message) -> None:
        lines.append(LogLine(message.record["level"].name, str(message).rstrip()))

    # The server logs it: there is one log, in one format.
    logger.remove()
    logger.add(noted, format="{message}", level="DEBUG")
    while True:
        given = receive_round(pipe)
        try:
            explained = explained_round(given, core)
        except Exception:
            logger.exception("A round of settling failed")
            send_failure(pipe, lines)
        else:
            send_explained(pipe, explained, lines)
            del explained
        # Nothing of this round is held while the next one is waited for.
        lines.clear()
        del given
        trim_heap()


if __name__ == "__main__":
    sys.exit(main())
