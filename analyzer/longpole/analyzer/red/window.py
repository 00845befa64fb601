"""The stretches of time that a report over time is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from longpole.model.columns import RED_STEP_NS
from longpole.model.timerange import TimeRange
from longpole.storage.ports import RedQuery, RedSeries, TraceReader

DAY_NS = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class RedWindow:
    """`time` is made of steps of `step_ns`; what is after `now_unix_nano` is still to come."""

    time: TimeRange
    step_ns: int
    now_unix_nano: int

    @property
    def length_ns(self) -> int:
        """From the first step to the end of the last."""
        return self.time.end_unix_nano - self.time.start_unix_nano

    @property
    def seconds(self) -> float:
        """How much of it is over."""
        until = min(self.time.end_unix_nano, self.now_unix_nano)
        return max(until - self.time.start_unix_nano, RED_STEP_NS) / 1e9

    @property
    def steps(self) -> range:
        """Where each step begins."""
        return range(self.time.start_unix_nano, self.time.end_unix_nano, self.step_ns)

    def moved(self, by_ns: int) -> RedWindow:
        """The same stretch that much earlier, all of which is over."""
        start, end = self.time.start_unix_nano - by_ns, self.time.end_unix_nano - by_ns
        return RedWindow(
            TimeRange(start, end), self.step_ns, max(self.now_unix_nano - by_ns, start)
        )

    def document(self) -> dict[str, Any]:
        """How reports tell which time they are about."""
        return {
            "start_unix_nano": self.time.start_unix_nano,
            "end_unix_nano": self.time.end_unix_nano,
            "step_ns": self.step_ns,
        }


@dataclass(frozen=True, slots=True)
class Compared:
    """RED rows of a window and of an earlier one: `earlier` says which, `yesterday` or `before`;
    empty when neither has any rows."""

    now: RedSeries
    before: RedSeries
    window_before: RedWindow
    earlier: str

    def document(self) -> dict[str, Any] | None:
        """The earlier window, None without one."""
        return {"is": self.earlier, **self.window_before.document()} if self.earlier else None


def compared(
    reader: TraceReader, window: RedWindow, services: tuple[str, ...] = (),
    operation: str | None = None, *, by_operation: bool = False,
) -> Compared:  # fmt: skip
    """Rows of all steps together: the window, and the same time yesterday when there is any data
    of it, else as much time right before."""

    def ask(asked: RedWindow) -> RedSeries:
        return reader.red_series(
            RedQuery(
                asked.time, asked.step_ns, services, operation,
                by_step=False, by_operation=by_operation,
            )
        )  # fmt: skip

    now = ask(window)
    shifts = {"yesterday": DAY_NS, "before": window.length_ns}
    if window.length_ns >= DAY_NS:
        del shifts["yesterday"]
    for name, shift in shifts.items():
        if window.time.start_unix_nano < shift:
            continue
        earlier = window.moved(shift)
        rows = ask(earlier)
        if rows.rows.num_rows:
            return Compared(now, rows, earlier, name)
    return Compared(now, RedSeries(now.rows.slice(0, 0)), window, "")
