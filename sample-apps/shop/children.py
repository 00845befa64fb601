"""Children: processes forked from a parent that has imported everything and started nothing.

Forking shares the memory of the imports among all of them and spares each the second they take.
That is safe only while the parent has one thread and has not begun to use gRPC.

    parent ──fork──▶ child ── announces its endpoints ─────────▶ pipe ─▶ parent
       └── holds the only writing end of the lifeline ─ closes ─▶ every child ends by itself
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from shop.chassis.process import Endpoints, end_process

Program = Callable[[threading.Event, Callable[[Endpoints], None]], None]
"""Runs until the event is set; announces when it is ready."""

# A child whose parent is dead has this long to drain before it is cut off.
ORPHAN_SECONDS = 10.0


@dataclass(slots=True)
class Child:
    """One forked process. `announced` is None until it is ready, `exit_code` until it has ended
    (negative: the signal)."""

    name: str
    pid: int
    log_file: Path
    pipe: int
    announced: Endpoints | None = None
    exit_code: int | None = None
    heard: bytes = field(default=b"", repr=False)

    def listen(self) -> None:
        """Read what the child announces; call it when `pipe` is readable."""
        if self.pipe < 0:
            return
        piece = os.read(self.pipe, 4096)
        self.heard += piece
        if self.heard.endswith(b"\n"):
            self.announced = Endpoints(**json.loads(self.heard))
        if not piece or self.announced is not None:
            self.close()

    def reap(self) -> bool:
        """True when the child has ended; never waits."""
        if self.exit_code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.exit_code = os.waitstatus_to_exitcode(status)
                self.close()
        return self.exit_code is not None

    def signal(self, number: int) -> None:
        """Send a signal unless the child has ended."""
        if not self.reap():
            os.kill(self.pid, number)

    def close(self) -> None:
        """Close the parent's end of the pipe."""
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1


class Nursery:
    """Forks children, which all end when this process does, however it ends."""

    def __init__(self, log_dir: Path) -> None:
        log_dir.mkdir(parents=True, exist_ok=True)
        self._log_dir = log_dir
        self._lifeline, self._lifeline_end = os.pipe()
        self._held: dict[str, socket.socket] = {}

    def hold(self, name: str, listener: socket.socket) -> None:
        """Keep a listening socket for the child of that name: its port stays the same over its
        restarts, and whoever connects meanwhile waits instead of being refused."""
        self._held[name] = listener

    def fork(self, name: str, program: Callable[[socket.socket | None], Program]) -> Child:
        """Start a child; `program` is given the socket held for it. What it prints goes to the
        log file of its name. Raises RuntimeError when this process has threads."""
        if threading.active_count() > 1:
            raise RuntimeError("a process with threads cannot be forked safely")
        log_file = self._log_dir / f"{name}.log"
        reader, writer = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            os.close(writer)
            return Child(name, pid, log_file, reader)
        code = 1
        try:
            self._settle(name, log_file, writer)
            code = _run(program(self._held.get(name)), self._lifeline, writer)
        except BaseException:
            # Nothing may return into the parent's code: this is another process now.
            traceback.print_exc()
        finally:
            end_process(code)

    def close(self) -> None:
        """Let go of the lifeline and the sockets."""
        os.close(self._lifeline_end)
        os.close(self._lifeline)
        for listener in self._held.values():
            listener.close()

    def _settle(self, name: str, log_file: Path, announcement: int) -> None:
        kept = {self._lifeline, announcement}
        for other, listener in self._held.items():
            if other == name:
                kept.add(listener.fileno())
            else:
                # So that no finaliser closes a number that means another file by then.
                listener.detach()
        _close_all_but(kept)
        log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        os.close(nothing)
        # Ctrl-C goes to the whole process group; the parent decides in which order it stops.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _close_all_but(kept: set[int]) -> None:
    lowest = 3
    for number in sorted(kept):
        os.closerange(lowest, number)
        lowest = number + 1
    os.closerange(lowest, os.sysconf("SC_OPEN_MAX"))


def _run(program: Program, lifeline: int, announcement: int) -> int:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def watch_parent() -> None:
        # Nobody ever writes: this returns when the last writing end, the parent's, is closed.
        os.read(lifeline, 1)
        stop.set()
        time.sleep(ORPHAN_SECONDS)
        os._exit(1)

    threading.Thread(target=watch_parent, name="lifeline", daemon=True).start()

    def announce(endpoints: Endpoints) -> None:
        line = json.dumps({"http": endpoints.http, "grpc": endpoints.grpc}) + "\n"
        try:
            os.write(announcement, line.encode())
        finally:
            os.close(announcement)

    program(stop, announce)
    return 0
