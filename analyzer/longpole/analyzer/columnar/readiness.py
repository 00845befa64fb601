"""Readiness: whether the columnar core can be used yet. Nobody waits for the compiler.

    idle ── start() ─▶ a process of its own fills the cache ─▶ this one loads it ─▶ ready
                       (a quarter of a minute, once)            (half a second)

Until it is ready, and for ever where Numba does not work, the plain code gives the same answers.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
import threading
from enum import StrEnum

from loguru import logger

JOIN_SECONDS = 10.0


class Readiness(StrEnum):
    """How far the columnar core is in this process."""

    IDLE = "idle"
    PREPARING = "preparing"
    READY = "ready"
    UNAVAILABLE = "unavailable"


class CompiledCore:
    """The columnar core of this process; Numba is first imported by `start`'s thread."""

    def __init__(self) -> None:
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
        """Whether `columnar.paths` answers without compiling first."""
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
            self._fill_cache()
            if self._is_stopping.is_set():
                self._state = Readiness.UNAVAILABLE
                return
            from longpole.analyzer.columnar.loops import compile_all
            from longpole.analyzer.columnar.paths import batch_paths  # noqa: F401

            is_done = compile_all(self._is_stopping.is_set)
            self._state = Readiness.READY if is_done else Readiness.UNAVAILABLE
        except Exception as problem:  # whatever is wrong with Numba, the plain code goes on
            self._state = Readiness.UNAVAILABLE
            logger.warning("Paths are computed without compiled code: {}", problem)

    def _fill_cache(self) -> None:
        """Compiling holds the GIL for long stretches; another process does not."""
        with self._lock:
            if self._is_stopping.is_set() or not sys.executable:
                return
            command = [sys.executable, "-m", "longpole.analyzer.columnar"]
            quiet = subprocess.DEVNULL
            try:
                self._process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
            except OSError as problem:  # no process to spare: this one compiles
                logger.debug("Compiling in the serving process: {}", problem)
                return
        self._process.wait()


CORE = CompiledCore()
