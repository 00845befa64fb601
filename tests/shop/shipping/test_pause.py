"""The pause: the whole process stands still without using the processor."""

from __future__ import annotations

import threading
import time

import pytest

from shop.chassis.switches import HeldFaults
from shop.faults.catalogue import CATALOGUE
from shop.shipping.pause import FAULT, IDLE_SECONDS, Pauses, hold_the_interpreter


def _on(seconds: float = 1.2, every: float = 4.0) -> HeldFaults:
    faults = HeldFaults()
    parameters = CATALOGUE[FAULT].parameters_with({"seconds": seconds, "every_seconds": every})
    faults.hold({FAULT: parameters})
    return faults


def test_no_other_thread_runs_during_a_pause_and_no_processor_time_is_used() -> None:
    ticks: list[float] = []
    is_over = threading.Event()

    def tick() -> None:
        while not is_over.wait(0.002):
            ticks.append(time.monotonic())

    ticking = threading.Thread(target=tick)
    ticking.start()
    try:
        while len(ticks) < 5:
            time.sleep(0.002)
        used = time.process_time()
        begin = time.monotonic()
        hold_the_interpreter(0.3)
        end = time.monotonic()
        used = time.process_time() - used
    finally:
        is_over.set()
        ticking.join()
    assert end - begin >= 0.3
    # The borders are left out: a tick may fall between the reading of the clock and the pause.
    assert [at for at in ticks if begin + 0.02 < at < begin + 0.28] == []
    assert used < 0.1


def test_pauses_come_at_their_distance_and_only_while_the_fault_is_on() -> None:
    now = 100.0
    paused: list[tuple[float, float]] = []
    faults = _on(seconds=1.2, every=4.0)
    pauses = Pauses(faults, lambda seconds: paused.append((now, seconds)), lambda: now)
    for _ in range(40):
        pauses.look()
        now += 0.25
    assert paused == [(100.0, 1.2), (104.0, 1.2), (108.0, 1.2)]
    faults.hold({})
    now += 60
    pauses.look()
    assert len(paused) == 3


def test_a_pause_that_is_due_waits_a_while_for_a_request_to_set_it_off() -> None:
    now = 100.0
    paused: list[float] = []
    pauses = Pauses(_on(every=4.0), lambda _: paused.append(now), lambda: now)
    pauses.look(IDLE_SECONDS)
    now = 100.5
    pauses.before_booking("order-1")
    assert paused == [100.5]
    now = 104.6
    pauses.look(IDLE_SECONDS)
    assert paused == [100.5]
    now = 105.6
    pauses.look(IDLE_SECONDS)
    assert paused == [100.5, 105.6]


def test_a_healthy_process_is_never_paused() -> None:
    pauses = Pauses(HeldFaults(), lambda _: pytest.fail("paused"))
    pauses.look()
    pauses.before_booking("order-1")
    pauses.after_booking("order-1", "TRACK-1")


def test_the_thread_pauses_the_process_until_it_is_stopped() -> None:
    has_paused = threading.Event()
    pauses = Pauses(_on(seconds=0.01), lambda _: has_paused.set())
    pauses.start()
    assert has_paused.wait(10)
    pauses.stop()
    assert "pauses" not in [thread.name for thread in threading.enumerate()]
