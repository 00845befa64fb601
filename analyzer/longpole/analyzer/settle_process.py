"""A process of its own for settling: while it explains, the server's threads have the GIL.

    idle ── a big round ──▶ starting ── "ready" ──▶ ready ── a minute without rounds ──▶ idle
                               └────── it ends or does not answer ──▶ broken, for a minute

Explaining is plain Python for the most part, a third of what a server under load does, and
everything else waits for the GIL meanwhile. Small rounds stay in the server: so little waits for
them that a process, which takes some 100 MB, is not worth it.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from multiprocessing.connection import Connection

from loguru import logger

from longpole.analyzer.columnar.readiness import CORE, CompiledCore
from longpole.analyzer.settle_messages import READY, receive_explained, send_round
from longpole.analyzer.settle_round import MANY_TRACES, ExplainedRound, Round
from longpole.model.clock import Clock

# A round of so many spans takes the GIL for a good tenth of a second: then the process is started.
START_SPANS = 4_000
IDLE_SECONDS = 60.0
REPAIR_SECONDS = 60.0
LONGEST_ROUND_SECONDS = 120.0
_END_SECONDS = 5.0
_NS = 1_000_000_000


class SettleProcess:
    """Explains rounds elsewhere, as soon as that is possible. For one thread, but for `stop`."""

    def __init__(
        self,
        clock: Clock,
        core: CompiledCore = CORE,
        start_spans: int = START_SPANS,
        command: tuple[str, ...] = (sys.executable, "-m", "longpole.analyzer.settle_worker"),
    ) -> None:
        self._clock = clock
        self._core = core
        self._start_spans = start_spans
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._is_ready = False
        self._used_ns = 0
        self._broken_until_ns = 0

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process is not None else None

    def explained(self, given: Round) -> ExplainedRound | None:
        """The same as `explained_round`, made by the process; None while there is none, for small
        rounds, and when it failed, which is logged. Never raises."""
        try:
            if not self._takes(given):
                return None
            self._used_ns = self._clock.monotonic_ns()
            return self._asked(given)
        except (OSError, EOFError) as problem:
            self._break(f"{type(problem).__name__} {problem}".rstrip())
        except Exception as problem:  # an answer that is none: whatever it was, it is not trusted
            logger.exception("The process that explains traces gave no answer")
            self._break(str(problem))
        return None

    def rest(self) -> None:
        """Nothing is to be explained: after a minute of that the process ends."""
        idle_ns = self._clock.monotonic_ns() - self._used_ns
        if self._process is not None and idle_ns > IDLE_SECONDS * _NS:
            self.stop()

    def stop(self) -> None:
        """End the process and wait for it. It may be started again."""
        pipe, process = self._pipe, self._process
        self._pipe = self._process = None
        self._is_ready = False
        if pipe is not None:
            pipe.close()
        if process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
            return
        process.kill()
        process.wait()

    def _takes(self, given: Round) -> bool:
        # What it needs is in the cache of compiled code once this process has loaded it.
        if len(given.whole.traces) < MANY_TRACES or not self._core.is_ready:
            return False
        if self._process is not None:
            return self._has_become_ready()
        if (
            given.whole.spans.num_rows >= self._start_spans
            and self._clock.monotonic_ns() >= self._broken_until_ns
        ):
            self._start()
        return False

    def _has_become_ready(self) -> bool:
        assert self._pipe is not None
        if not self._is_ready and self._pipe.poll():
            self._is_ready = self._pipe.recv() == READY
        return self._is_ready

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            try:
                self._process = subprocess.Popen(
                    [*self._command, str(number)], stdin=subprocess.DEVNULL, pass_fds=(number,)
                )
            except BaseException:
                ours.close()
                raise
        self._pipe = Connection(ours.detach())
        self._used_ns = self._clock.monotonic_ns()
        logger.debug("traces are explained in a process of their own, {}", self._process.pid)

    def _asked(self, given: Round) -> ExplainedRound | None:
        assert self._pipe is not None
        send_round(self._pipe, given)
        if not self._pipe.poll(LONGEST_ROUND_SECONDS):
            raise TimeoutError(f"no answer within {LONGEST_ROUND_SECONDS:g} s")
        explained, lines = receive_explained(self._pipe, given)
        for line in lines:
            logger.log(line.level, "{}", line.message)
        return explained

    def _break(self, why: str) -> None:
        """Without it for a while."""
        process = self._process
        if process is not None:
            process.kill()
        self.stop()
        self._broken_until_ns = self._clock.monotonic_ns() + int(REPAIR_SECONDS * _NS)
        logger.warning(
            "The process that explains traces is gone ({}); the server explains them itself, and "
            "tries again in {:g} s", why, REPAIR_SECONDS,
        )  # fmt: skip
