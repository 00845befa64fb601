"""Right clocks: the times of a batch with one offset added for each host whose clock is off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from longpole.analyzer.clock_shift import NO_CLOCKS, Clocks
from longpole.analyzer.clocks.host_calls import clock_codes
from longpole.analyzer.columnar.batch import SpanBatch
from longpole.analyzer.columnar.forest import FAR_TIME, FARTHEST_UNIX_NANO

Ints = npt.NDArray[np.int64]


def with_right_clocks(
    batch: SpanBatch, clocks: Sequence[Clocks]
) -> tuple[SpanBatch, tuple[Clocks, ...]]:
    """The batch with times put right, and of each trace what was done, as `shifting.shifted` does
    with one trace: only its own hosts, and none that would leave the range of times.

    `clocks` has an entry for each trace. Odd traces stay as they are; they get there one by one.
    """
    # The traces of one time share theirs, so few are asked; mostly nothing is off anywhere.
    if clocks.count(NO_CLOCKS) == len(clocks) or not any(
        dict(zip(map(id, clocks), clocks, strict=True)).values()
    ):
        return batch, (NO_CLOCKS,) * len(clocks)
    codes, hosts = clock_codes(batch.whole.spans)
    codes = codes[batch.rows]
    number = {host: code for code, host in enumerate(hosts)}
    starts, ends, odd = batch.starts.copy(), batch.ends.copy(), batch.odd.copy()
    applied = list[Clocks]()
    for place, own in enumerate(clocks):
        begin, end = int(batch.offsets[place]), int(batch.offsets[place + 1])
        if not own or batch.odd[place]:
            applied.append(NO_CLOCKS)
            continue
        here = codes[begin:end]
        known = set(here.tolist())
        shifts = []
        for shift in own.shifts:
            code = number.get(shift.host, -1)
            if code not in known or code < 0:
                continue
            rows = begin + np.flatnonzero(here == code)
            # Not with 64 bits: an offset may be as long as these.
            first = int(starts[rows].min()) + shift.offset_ns
            last = int(ends[rows].max()) + shift.offset_ns
            if first < 0 or last >= 1 << 63:
                continue
            starts[rows] += shift.offset_ns
            ends[rows] += shift.offset_ns
            shifts.append(shift)
            if last > FARTHEST_UNIX_NANO:
                odd[place] |= FAR_TIME
        unsteady = tuple(
            pair for pair in own.unsteady if all(number.get(host, -2) in known for host in pair)
        )
        applied.append(Clocks(tuple(shifts), unsteady))
    return replace(batch, starts=starts, ends=ends, odd=odd), tuple(applied)
