"""Clock history: calls between hosts of the last minutes, and the clock offsets they prove.

ticks    ... | | | | | | | | | | | | |t| | |
windows      |-- five minutes ---------|-|     the widest one whose calls agree is taken: a
                       |-- one ------|-|       steady clock has much evidence, one that
                            |-----|-|          drifts or jumps is seen more closely, and
                                  |t|          what even one tick contradicts is given up
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longpole.analyzer.clock_shift import NO_CLOCKS, SMALLEST_SHIFT_NS, Clocks
from longpole.analyzer.clocks.host_calls import HostCalls, Ids, Ints
from longpole.analyzer.clocks.offsets import Pair, PairInterval, offsets

TICK_NS = 250_000_000
# Ticks before and after that speak for a moment, widest first. The first call of a trace may come
# well after its start.
WINDOWS = ((1200, 16), (240, 16), (60, 8), (16, 8), (4, 4), (1, 1), (0, 0))
# One call in so many may say anything: the most extreme bounds are trimmed.
TRIMMED_SHARE = 100
# Where no answer began at an impossible time, so many are needed that end late, and so large a
# share of all: a wrong clock moves every answer, a busy server closes some of its spans late.
FEWEST_LATE_ENDS = 20
LATE_SHARE = 0.9
CALLS_A_TICK = 16  # kept for each pair of hosts
MOST_CALLS = 60_000
KEPT_TICKS = 1600


@dataclass(frozen=True, slots=True)
class _Kept:
    """Calls as parallel arrays; hosts by number."""

    ticks: Ints
    callers: Ints
    callees: Ints
    lows: Ints
    highs: Ints
    keys: Ids
    is_hard: npt.NDArray[np.bool_]

    def taken(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> _Kept:
        """Some of the calls."""
        return _Kept(
            self.ticks[rows], self.callers[rows], self.callees[rows], self.lows[rows],
            self.highs[rows], self.keys[rows], self.is_hard[rows],
        )  # fmt: skip


class ClockHistory:
    """Takes calls in any order; of each pair of hosts and tick a fixed sample is kept, so that
    only which calls were given counts, not when. Any thread may ask while another one gives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._waiting: list[_Kept] = []
        self._waiting_count = 0
        self._kept = _joined([])
        self._violations: set[int] = set()  # ticks in which a call did not fit
        self._known: dict[int, Clocks] = {}

    def add(self, calls: HostCalls) -> None:
        """Take evidence."""
        if not len(calls):
            return
        with self._lock:
            codes = np.array(
                [self._numbers.setdefault(host, len(self._numbers)) for host in calls.hosts],
                np.int64,
            )
            ticks = calls.starts // TICK_NS
            self._waiting.append(
                _Kept(
                    ticks, codes[calls.callers], codes[calls.callees], calls.lows, calls.highs,
                    calls.keys, calls.is_hard,
                )
            )  # fmt: skip
            self._waiting_count += len(calls)
            is_off = (calls.lows >= SMALLEST_SHIFT_NS) | (calls.highs <= -SMALLEST_SHIFT_NS)
            self._violations.update(np.unique(ticks[is_off]).tolist())
            self._known = {}
            if self._waiting_count > MOST_CALLS // 4:
                self._tidy()

    def clocks_at(self, unix_nano: int) -> Clocks:
        """The clocks that were off at that time, as far as is known now."""
        tick = unix_nano // TICK_NS
        with self._lock:
            before, after = WINDOWS[0]
            if not self._violations or not any(
                tick - before <= one <= tick + after for one in self._violations
            ):
                return NO_CLOCKS
            known = self._known.get(tick)
            if known is None:
                self._tidy()
                known = self._known[tick] = self._solved(tick)
            return known

    def _tidy(self) -> None:
        """Put what is waiting to the rest, and let go of what is too much or too old."""
        if not self._waiting:
            return
        kept = _sampled(_joined([self._kept, *self._waiting]))
        self._waiting, self._waiting_count = [], 0
        newest = int(kept.ticks.max())
        oldest = newest - KEPT_TICKS
        if kept.ticks.size > MOST_CALLS:
            oldest = max(oldest, int(np.sort(kept.ticks)[-MOST_CALLS]))
        if oldest > int(kept.ticks.min()):
            kept = kept.taken(kept.ticks >= oldest)
            self._violations = {tick for tick in self._violations if tick >= oldest}
        self._kept = self._renumbered(kept)

    def _renumbered(self, kept: _Kept) -> _Kept:
        """Hosts that no call speaks of any more are forgotten."""
        used, codes = np.unique(np.concatenate([kept.callers, kept.callees]), return_inverse=True)
        if 2 * used.size > len(self._numbers):
            return kept
        names = list(self._numbers)
        self._numbers = {names[one]: number for number, one in enumerate(used.tolist())}
        size = kept.callers.size
        return _Kept(
            kept.ticks, codes[:size], codes[size:], kept.lows, kept.highs, kept.keys,
            kept.is_hard,
        )  # fmt: skip

    def _solved(self, tick: int) -> Clocks:
        names = list(self._numbers)
        found: dict[Pair, PairInterval] = {}
        unsteady: set[Pair] = set()
        kept = self._kept
        for before, after in WINDOWS:
            begin = np.searchsorted(kept.ticks, tick - before)
            end = np.searchsorted(kept.ticks, tick + after, side="right")
            kept = kept.taken(np.arange(begin, end))
            open_pairs = []
            for code, (interval, is_hard) in _intervals(kept).items():
                pair = (names[code[0]], names[code[1]])
                if interval is not None:
                    found[pair] = interval
                    unsteady.discard(pair)
                    continue
                open_pairs.append(code)
                if is_hard:
                    unsteady.add(pair)
                else:  # answers that end late now and then: servers work on after answering
                    unsteady.discard(pair)
            kept = _only(kept, open_pairs)
        solved = offsets(found)
        return Clocks(solved.shifts, tuple(sorted({*solved.unsteady, *unsteady})))


def _joined(parts: list[_Kept]) -> _Kept:
    none = np.zeros(0, np.int64)
    empty = _Kept(none, none, none, none, none, none.astype(np.uint64), none.astype(np.bool_))
    parts = parts or [empty]
    return _Kept(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in (
                "ticks", "callers", "callees", "lows", "highs", "keys", "is_hard"
            )
        )
    )  # fmt: skip


def _sampled(calls: _Kept) -> _Kept:
    """Each call once, and of every pair and tick the ones with the lowest keys."""
    order = np.lexsort((calls.keys, calls.callees, calls.callers, calls.ticks))
    calls = calls.taken(order)
    is_new_group = np.append(
        True,
        (calls.ticks[1:] != calls.ticks[:-1])
        | (calls.callers[1:] != calls.callers[:-1])
        | (calls.callees[1:] != calls.callees[:-1]),
    )[: order.size]
    is_new = is_new_group | np.append(True, calls.keys[1:] != calls.keys[:-1])[: order.size]
    calls, is_new_group = calls.taken(is_new), is_new_group[is_new]
    begins = np.flatnonzero(is_new_group)
    place = np.arange(is_new_group.size) - begins[np.cumsum(is_new_group) - 1]
    return calls.taken(place < CALLS_A_TICK)


def _only(calls: _Kept, pairs: Sequence[tuple[int, int]]) -> _Kept:
    """The calls of these pairs."""
    most = int(max(calls.callers.max(initial=0), calls.callees.max(initial=0))) + 1
    wanted = [caller * most + callee for caller, callee in pairs]
    return calls.taken(np.isin(calls.callers * most + calls.callees, wanted))


def _intervals(calls: _Kept) -> Mapping[tuple[int, int], tuple[PairInterval | None, bool]]:
    """What all calls of each pair allow after trimming, None where they contradict each other;
    and whether any of them began at an impossible time."""
    found: dict[tuple[int, int], tuple[PairInterval | None, bool]] = {}
    size = calls.ticks.size
    if not size:
        return found
    by_low = calls.taken(np.lexsort((-calls.lows, calls.callees, calls.callers)))
    highs = calls.highs[np.lexsort((calls.highs, calls.callees, calls.callers))]
    is_new = np.append(
        True,
        (by_low.callers[1:] != by_low.callers[:-1]) | (by_low.callees[1:] != by_low.callees[:-1]),
    )
    begins = np.flatnonzero(is_new)
    counts = np.diff(np.append(begins, size))
    hard = np.add.reduceat(by_low.is_hard.astype(np.int64), begins)
    misfits = np.add.reduceat(((by_low.lows > 0) | (by_low.highs < 0)).astype(np.int64), begins)
    is_enough = (misfits >= FEWEST_LATE_ENDS) & (misfits >= LATE_SHARE * counts)
    trimmed = begins + counts // TRIMMED_SHARE
    for caller, callee, low, high, count, hard_count, enough in zip(
        by_low.callers[begins].tolist(), by_low.callees[begins].tolist(),
        by_low.lows[trimmed].tolist(), highs[trimmed].tolist(),
        counts.tolist(), hard.tolist(), is_enough.tolist(),
        strict=True,
    ):  # fmt: skip
        is_hard = hard_count > 0
        found[(caller, callee)] = _interval(low, high, count, is_hard or enough), is_hard
    return found


def _interval(low: int, high: int, count: int, is_proven: bool) -> PairInterval | None:
    if low > high:
        if low - high > SMALLEST_SHIFT_NS:
            return None
        low, high = high, low  # calls that hardly disagree: anything in between will do
    is_small = low < SMALLEST_SHIFT_NS and high > -SMALLEST_SHIFT_NS
    if is_small or not is_proven:
        # Not enough to say that the clocks differ, and no reason to move them apart.
        low, high = min(low, 0), max(high, 0)
    return PairInterval(low, high, count)
