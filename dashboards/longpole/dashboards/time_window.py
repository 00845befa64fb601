"""The window that a page looks at, its steps, and the control that chooses it.

`since=1h` and its other form `from=now-1h` stay relative, other `from` and `to` are fixed; without
any of them it is the last hour. A window begins and ends where a step does, so that every step is
whole but the one that is now:

    |--step--|--step--|--step--|--step|now
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from longpole.analyzer.red.window import RedWindow
from longpole.dashboards.errors import BadQuestion
from longpole.dashboards.parameters import Parameters, duration_ns, first, moment
from longpole.model.clock import Clock
from longpole.model.timerange import TimeRange

TIME_PARAMETERS = frozenset({"since", "from", "to"})
DEFAULT_SINCE = "1h"
CHOICES = (("15m", "15 min"), ("1h", "1 h"), ("6h", "6 h"), ("24h", "24 h"), ("7d", "7 d"))
_IN_WORDS = {
    "15m": "15 minutes", "1h": "hour", "6h": "6 hours", "24h": "24 hours", "7d": "7 days"
}  # fmt: skip
MOST_STEPS = 120
# A window is offered to fit the data when that fills less than one in so many of this one.
SPARSE, LEAST_FIT_MINUTES = 4, 2
_S = 10**9
# Multiples of the step in which RED is kept, each of which divides a day.
STEPS_NS = tuple(
    s * _S for s in (10, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
)
_UP_TO_NOW = re.compile(r"now\s?-\s?([0-9].*)")
_LONGEST_NS = MOST_STEPS * STEPS_NS[-1]


@dataclass(frozen=True, slots=True)
class Window:
    """`time` is made of whole steps of `step_ns`, at most `MOST_STEPS`, and a little more than
    was asked for (but for exact ones, see `window_of`). `since` is the text of a relative window,
    else empty."""

    time: TimeRange
    step_ns: int
    since: str
    now_unix_nano: int

    @property
    def length_ns(self) -> int:
        """From the first step to the end of the last one."""
        return self.time.end_unix_nano - self.time.start_unix_nano

    @property
    def steps(self) -> range:
        """Where each step begins."""
        return range(self.time.start_unix_nano, self.time.end_unix_nano, self.step_ns)

    @property
    def red(self) -> RedWindow:
        """The same for reports over time."""
        return RedWindow(self.time, self.step_ns, self.now_unix_nano)

    @property
    def words(self) -> str:
        """`the last hour`, or both ends."""
        if self.since:
            return f"the last {_IN_WORDS.get(self.since, self.since)}"
        return f"{_shown(self.time.start_unix_nano)} to {_shown(self.time.end_unix_nano)} UTC"

    @property
    def parameters(self) -> dict[str, list[str]]:
        """The same window as parameters, relative when it was."""
        return {"since": [self.since]} if self.since else self.fixed

    @property
    def query(self) -> str:
        """The same as the query of an address."""
        return urlencode([(name, value[0]) for name, value in self.parameters.items()])

    @property
    def fixed(self) -> dict[str, list[str]]:
        """The same window as two moments."""
        return {
            "from": [_text(self.time.start_unix_nano)],
            "to": [_text(self.time.end_unix_nano)],
        }


def window_of(asked: Parameters, clock: Clock, *, is_exact: bool = False) -> Window:
    """The window that `since`, or `from` and `to`, ask for. With `is_exact`, for pages without
    steps, `from` and `to` are kept to the nanosecond: an incident of eight seconds is not judged
    by the twelve around it. Raises `BadQuestion`."""
    since, begin, end = (first(asked, name) for name in ("since", "from", "to"))
    if since and (begin or end):
        raise BadQuestion("since and from both say where to begin; give one of them")
    if begin and (end or "now").strip() == "now" and (found := _UP_TO_NOW.fullmatch(begin.strip())):
        since, begin, end = found[1], None, None
    now = clock.now_unix_nano()
    stop = moment(end, "to", clock) if end else now
    default = duration_ns(DEFAULT_SINCE, "since")
    if begin:
        start = moment(begin, "from", clock)
    else:
        start = stop - (duration_ns(since, "since") if since else default)
    if start >= stop:
        raise BadQuestion("the time range is empty: it ends before it begins")
    if stop - start > _LONGEST_NS:
        raise BadQuestion(f"the time range is longer than {_LONGEST_NS // STEPS_NS[-1]} days")
    is_relative = not begin and not end
    step = step_of(stop - start)
    if is_exact and not is_relative:
        return Window(TimeRange(start, stop), step, "", now)
    last = -(-stop // step) * step
    # A relative window keeps its length: steps are counted back from the one that is now.
    start = last - -(-(stop - start) // step) * step if is_relative else start // step * step
    text = (since or DEFAULT_SINCE) if is_relative else ""
    return Window(TimeRange(start, last), step, text, now)


def step_of(length_ns: int) -> int:
    """The shortest step of which fewer than `MOST_STEPS` make up that length."""
    return next((s for s in STEPS_NS if length_ns < s * MOST_STEPS), STEPS_NS[-1])


@dataclass(frozen=True, slots=True)
class Choice:
    """A link of the control."""

    label: str
    address: str
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class TimeControl:
    """What `parts/time_range.html` shows. `kept` are the other parameters of the page, for the
    form; `begin` and `end` its values."""

    choices: tuple[Choice, ...]
    earlier: Choice
    later: Choice | None
    pin: Choice | None
    words: str
    begin: str
    end: str
    kept: tuple[tuple[str, str], ...]
    fit: Choice | None = None


def time_control(
    window: Window, asked: Mapping[str, Sequence[str]], counts: Sequence[int] = ()
) -> TimeControl:
    """The control of a page that was asked for with these parameters. `counts` are runs by step,
    by which it offers a window that fits (`fit`)."""
    kept = tuple(
        (name, value)
        for name, values in asked.items()
        if name not in TIME_PARAMETERS
        for value in values
    )

    def to(**time: str) -> str:
        return "?" + urlencode(
            [*kept, *((name.rstrip("_"), value) for name, value in time.items())]
        )

    def fixed(start: int, stop: int) -> str:
        return to(from_=_text(start), to=_text(stop))

    start, end, half = window.time.start_unix_nano, window.time.end_unix_nano, window.length_ns // 2
    is_past = end + half <= window.now_unix_nano + window.step_ns
    return TimeControl(
        choices=tuple(
            Choice(label, to(since=since), since == window.since) for since, label in CHOICES
        ),
        earlier=Choice("earlier", fixed(start - half, end - half)),
        later=Choice("later", fixed(start + half, end + half)) if is_past else None,
        pin=Choice("pin", fixed(start, end)) if window.since else None,
        words=window.words,
        begin=_text(start).rstrip("Z"),
        end=_text(end).rstrip("Z"),
        kept=kept,
        fit=_fit(window, counts, to),
    )


def _fit(window: Window, counts: Sequence[int], to: Callable[..., str]) -> Choice | None:
    """The part of a relative window that holds all of its data, when this is less than one
    `SPARSE`th of it: relative too while data still comes in, else both ends with a step around."""
    used = [start for start, count in zip(window.steps, counts, strict=False) if count]
    step = window.step_ns
    if not window.since or not used or (used[-1] + step - used[0]) * SPARSE >= window.length_ns:
        return None
    first, end = used[0], used[-1] + step
    if end + step > window.now_unix_nano:
        minutes = max(LEAST_FIT_MINUTES, -(-(window.now_unix_nano - first) // (60 * _S)))
        if minutes * 60 * _S * 2 > window.length_ns:
            return None  # it would look the same
        return Choice(f"data since {_clock(first)} · zoom in", to(since=f"{minutes}m"))
    words = f"data only {_clock(first)}–{_clock(end)} · zoom in"
    return Choice(words, to(from_=_text(first - step), to=_text(end + step)))


def _clock(unix_nano: int) -> str:
    return f"{datetime.fromtimestamp(unix_nano // _S, UTC):%H:%M}"


def _text(unix_nano: int) -> str:
    fraction = f".{unix_nano % _S:09d}".rstrip("0").rstrip(".")
    return f"{datetime.fromtimestamp(unix_nano // _S, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _shown(unix_nano: int) -> str:
    milliseconds = unix_nano // 10**6 % 1000
    fraction = f".{milliseconds:03d}" if milliseconds else ""
    return f"{datetime.fromtimestamp(unix_nano // _S, UTC):%Y-%m-%d %H:%M:%S}{fraction}"
