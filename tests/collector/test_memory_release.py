from __future__ import annotations

import time

import pytest

from longpole.collector import memory_release
from longpole.collector.memory_release import HeapTrimming
from longpole.model.heap import trim_heap


def test_the_heap_of_a_busy_process_is_trimmed_and_that_of_an_idle_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readings = iter((0.1, 0.4, 3.0, 3.0, 3.1, 3.4, 3.6, 3.6))  # each trim reads once more
    trimmed: list[bool] = []
    monkeypatch.setattr(time, "process_time", lambda: next(readings))
    monkeypatch.setattr(memory_release, "trim_heap", lambda: trimmed.append(True))
    trimming = HeapTrimming()
    counts = []
    for _ in range(5):
        trimming.trim_if_busy()
        counts.append(len(trimmed))
    assert counts == [0, 1, 1, 1, 2]


def test_trimming_gives_back_what_is_free_between_what_is_in_use() -> None:
    held = [bytearray(60_000) for _ in range(2_000)]
    resident = resident_bytes()
    del held[::2]
    trim_heap()
    assert resident_bytes() < resident - 30_000_000


def resident_bytes() -> int:
    """Of this process."""
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024
