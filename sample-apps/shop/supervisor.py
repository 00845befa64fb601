"""The supervisor: starts all processes of the shop, starts crashed ones again, stops them in order.

It runs on one thread and never speaks gRPC, because its children are forks of it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FrameType

from shop.chassis.process import Endpoints
from shop.children import Child, Nursery, Program
from shop.topology import PLATFORM, ProcessPlan

START_SECONDS = 30.0
TICK_SECONDS = 0.5
RESTART_PAUSE_SECONDS = 0.2
RESTART_PAUSE_MAX_SECONDS = 5.0
# Somewhat more than a service may drain, and its telemetry's last batch may take.
STOP_SECONDS = 10.0


class StartError(Exception):
    """The shop did not start; the words say which process did not, and what it printed last."""


class Supervisor:
    """The children of this process, by the name of their plan. `program_of` makes what a plan
    runs, given the socket held for it; it is called in the child. Main thread only."""

    def __init__(
        self,
        nursery: Nursery,
        program_of: Callable[[ProcessPlan, socket.socket | None], Program],
    ) -> None:
        self._nursery, self._program_of = nursery, program_of
        self._plans: dict[str, ProcessPlan] = {}
        self._restart_at: dict[str, float] = {}
        self._fatal: set[str] = set()
        self._parent = os.getppid()
        self.children: dict[str, Child] = {}
        self.restarts: dict[str, int] = {}
        self.is_stopping = False
        # Signals write into it, so that waiting ends at once.
        self._awake, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)

    def start(self, plans: Iterable[ProcessPlan], *, ends_shop: bool = False) -> None:
        """Fork the plans' processes; they run beside each other. With `ends_shop`, the end of one
        is not a crash: it asks for the end of the shop."""
        for plan in plans:
            self._plans[plan.name] = plan
            if ends_shop:
                self._fatal.add(plan.name)
            self._fork(plan)

    def wait_ready(self, names: Sequence[str]) -> Mapping[str, Endpoints]:
        """Where they listen, once all are ready; fewer when asked to stop meanwhile. Raises
        `StartError` when one ends or `START_SECONDS` go by."""
        deadline = time.monotonic() + START_SECONDS
        while not self.is_stopping:
            waiting = [name for name in names if self.children[name].announced is None]
            if not waiting:
                break
            for name in waiting:
                if self.children[name].reap():
                    raise StartError(_why(self.children[name], "ended before it was ready"))
            if time.monotonic() > deadline:
                raise StartError(_why(self.children[waiting[0]], "is not ready"))
            self._wait(TICK_SECONDS)
        return {name: told for name in names if (told := self.children[name].announced)}

    def watch(self, until: float = float("inf")) -> None:
        """Keep everything running until asked to stop, until the parent dies or until that
        moment of the monotonic clock."""
        while not self.is_stopping and time.monotonic() < until:
            self._restart_crashed()
            self._wait(min(TICK_SECONDS, max(0.0, until - time.monotonic())))
            if os.getppid() != self._parent:
                self.is_stopping = True

    def stop(self, names: Sequence[str], seconds: float = STOP_SECONDS) -> None:
        """Ask these to end, wait for them, kill what is left after `seconds`."""
        leaving = [self.children[name] for name in names if name in self.children]
        for child in leaving:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while not all(child.reap() for child in leaving) and time.monotonic() < deadline:
            self._wait(0.1)
        for child in leaving:
            if not child.reap():
                _say(f"{child.name} did not stop in {seconds:.0f} s and is killed")
                child.signal(signal.SIGKILL)
                os.waitpid(child.pid, 0)
                child.exit_code = -signal.SIGKILL
            del self.children[child.name]

    def close(self) -> None:
        """End what still runs, services before the platform; give the signals back."""
        others = [name for name in self.children if name not in PLATFORM]
        self.stop(others)
        self.stop(list(self.children), seconds=3.0)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.close(self._awake)
        os.close(self._wake)
        self._nursery.close()

    def _fork(self, plan: ProcessPlan) -> None:
        plan = plan.in_life(1 + self.restarts.get(plan.name, 0))
        self.children[plan.name] = self._nursery.fork(
            plan.name, lambda held: self._program_of(plan, held)
        )

    def _restart_crashed(self) -> None:
        now = time.monotonic()
        for name, child in list(self.children.items()):
            if not child.reap():
                continue
            if name in self._fatal:
                self.is_stopping = True
                return
            if name not in self._restart_at:
                count = self.restarts[name] = self.restarts.get(name, 0) + 1
                pause = min(RESTART_PAUSE_SECONDS * 2 ** (count - 1), RESTART_PAUSE_MAX_SECONDS)
                self._restart_at[name] = now + pause
                _say(f"{name} ended with {child.exit_code}; restart {count} in {pause:.1f} s")
            if now >= self._restart_at[name]:
                del self._restart_at[name]
                self._fork(self._plans[name])

    def _wait(self, seconds: float) -> None:
        pipes = {child.pipe: child for child in self.children.values() if child.pipe >= 0}
        readable, _, _ = select.select([*pipes, self._awake], [], [], seconds)
        for pipe in readable:
            if pipe == self._awake:
                os.read(self._awake, 4096)
            else:
                pipes[pipe].listen()

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.is_stopping = True


def _why(child: Child, what: str) -> str:
    lines = (
        child.log_file.read_text(errors="replace").splitlines() if child.log_file.exists() else []
    )
    last = "\n".join(lines[-15:]) or "it printed nothing"
    code = "" if child.exit_code is None else f" (exit {child.exit_code})"
    return f"{child.name} {what}{code}; its log {child.log_file} ends with:\n{last}"


def _say(words: str) -> None:
    print(f"shop: {words}", file=sys.stderr, flush=True)
