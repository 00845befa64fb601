"""Readiness: whether compiled code can be used yet. Nobody waits for the compiler.

    idle ── start() ─▶ what is cached is loaded (half a second) ─ all of it ─────────────▶ ready
                        └─ else a process of its own fills the cache ─▶ this one loads it ──▶┘
                           (a quarter of a minute, once)

Until it is ready, and for ever where Numba does not work, plain code gives the same answers.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from enum import StrEnum

from loguru import logger

JOIN_SECONDS = 10.0
_LOWEST_PRIORITY = 19
_PR_SET_PDEATHSIG = 1  # of Linux's prctl.h


class Readiness(StrEnum):
    """How far compiled code is in this process."""

    IDLE = "idle"
    PREPARING = "preparing"
    READY = "ready"
    UNAVAILABLE = "unavailable"


class CompiledCode:
    """The compiled loops of one task in this process; Numba is first imported by `start`'s thread.

    `python -m MODULE` fills the cache, `load(is_stopping)` makes the loops ready from it and says
    whether it came to an end; `load_cached()` loads what is there and says whether that was all.
    `loss` is what is told when they can't be had.
    """

    def __init__(
        self,
        module: str,
        load: Callable[[Callable[[], bool]], bool],
        loss: str,
        load_cached: Callable[[], bool] = lambda: False,
    ) -> None:
        self._module, self._load, self._loss = module, load, loss
        self._load_cached = load_cached
        self._state = Readiness.IDLE
        self._lock = threading.Lock()
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def state(self) -> Readiness:
        """How far it is."""
        return self._state

    @property
    def is_ready(self) -> bool:
        """Whether the loops answer without compiling first."""
        return self._state is Readiness.READY

    def start(self) -> None:
        """Get ready in the background; a second call has no effect. Never raises."""
        with self._lock:
            if self._state is not Readiness.IDLE or self._is_stopping.is_set():
                return
            self._state = Readiness.PREPARING
            self._thread = threading.Thread(target=self._prepare, name="compile", daemon=True)
            # A process that ends amid native code on a thread may crash instead of ending.
            atexit.register(self.stop)
            self._thread.start()

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until it is decided; whether it is ready then."""
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        return self.is_ready

    def stop(self) -> None:
        """Give up getting ready; what is ready stays usable. A second call has no effect."""
        with self._lock:
            self._is_stopping.set()
            if self._process is not None:
                self._process.kill()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(JOIN_SECONDS)

    def _prepare(self) -> None:
        # At its usual priority: a thread that gets no time while it holds the GIL stops all
        # the others. Only the process that compiles steps back.
        try:
            if not self._load_cached():
                self._fill_cache()
            if self._is_stopping.is_set():
                self._state = Readiness.UNAVAILABLE
                return
            is_done = self._load(self._is_stopping.is_set)
            self._state = Readiness.READY if is_done else Readiness.UNAVAILABLE
        except Exception as problem:  # whatever is wrong with Numba, the plain code goes on
            self._state = Readiness.UNAVAILABLE
            logger.warning("{}: {}", self._loss, problem)

    def _fill_cache(self) -> None:
        """Compiling holds the GIL for long stretches; another process does not."""
        with self._lock:
            if self._is_stopping.is_set() or not sys.executable:
                return
            command = [sys.executable, "-m", self._module]
            quiet = subprocess.DEVNULL
            try:
                self._process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
            except OSError as problem:  # no process to spare: this one compiles
                logger.debug("Compiling in the serving process: {}", problem)
                return
        self._process.wait()


def step_back() -> None:
    """This process has time: it compiles, and others serve. It ends with the one that started it,
    where the system can see to that: nobody waits for what it does for a server that was killed."""
    if hasattr(os, "nice"):
        os.nice(_LOWEST_PRIORITY)
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
