"""The processes of the demo: started one after the other, watched, and ended in order.

Each gets a session of its own, so that Ctrl-C in the terminal reaches only the demo, which then
ends them one after the other. On Linux the kernel ends them when the demo itself is killed.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO

LINES_KEPT = 12
LOOK_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1


class Child:
    """A child process whose output is read for its ready line and kept for its last words."""

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], ready_word: str
    ) -> None:
        """`ready_word` is what its ready line begins with, on standard output."""
        self.name = name
        self.is_ready = False
        self._ready_word = ready_word
        self._ready: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._last_words: deque[str] = deque(maxlen=LINES_KEPT)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=dict(env),
            start_new_session=True,
            preexec_fn=_end_with_parent(),
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read, args=(pipe,), name=f"read {name}", daemon=True)
            for pipe in (self.process.stdout, self.process.stderr)
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe: IO[str]) -> None:
        with pipe:
            for line in pipe:
                if pipe is self.process.stdout and line.startswith(self._ready_word + " "):
                    self._ready.put(line.removeprefix(self._ready_word).strip())
                else:
                    self._last_words.append(line.rstrip())

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def wait_ready(self, seconds: float, pause: Callable[[float], None]) -> dict[str, str] | None:
        """The `name=value` words of the ready line; None when it ended or said nothing in time.
        `pause` may raise to give up waiting."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                line = self._ready.get_nowait()
            except queue.Empty:
                if not self.is_running:
                    return None
                pause(LOOK_SECONDS)
                continue
            self.is_ready = True
            return dict(word.split("=", 1) for word in line.split() if "=" in word)
        return None

    def last_words(self) -> str:
        """The end of what it wrote, apart from the ready line."""
        if not self.is_running:
            for reader in self._readers:
                reader.join(1)
        return "\n".join(self._last_words)

    def stop(self, seconds: float, is_hurried: Callable[[], bool]) -> int:
        """SIGTERM, and SIGKILL to all of its session when it is not gone after `seconds` or
        when somebody `is_hurried`. Its exit code, negative for a signal."""
        if self.is_running:
            self.process.terminate()
        deadline = time.monotonic() + seconds
        while self.is_running and time.monotonic() < deadline and not is_hurried():
            time.sleep(0.02)
        if self.is_running:
            os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        for reader in self._readers:
            reader.join(1)
        return code


def _end_with_parent() -> Callable[[], None] | None:
    """What the child does before it becomes the program: ask for SIGTERM when its parent ends."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    control = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        control(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before we could ask
            os.kill(os.getpid(), signal.SIGTERM)

    return ask
