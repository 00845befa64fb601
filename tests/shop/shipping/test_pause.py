"""The pause: the whole process stands still without using the processor."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader

from shop.chassis.switches import HeldFaults
from shop.faults.catalogue import CATALOGUE
from shop.shipping.pause import FAULT, Pauses, hold_the_interpreter
from tests.shop.calls.servers import serving


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


class World:
    """A clock that only a pause or the test moves, and the pauses that were made."""

    def __init__(self, faults: HeldFaults) -> None:
        self.now = 100.0
        self.paused: list[float] = []
        self.reader = InMemoryMetricReader()
        meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.pauses = Pauses(faults, self._stop, lambda: self.now, meters)

    def _stop(self, seconds: float) -> None:
        self.paused.append(self.now)
        self.now += seconds

    def run(self, seconds: float) -> None:
        """Let the timer do what it does in this time."""
        end = self.now + seconds
        while self.now < end:
            self.now += min(self.pauses.step(), end - self.now)


def test_pauses_come_by_a_timer_even_without_requests_and_only_while_the_fault_is_on() -> None:
    faults = _on(seconds=1.2, every=4.0)
    world = World(faults)
    world.run(11.5)
    assert world.paused == pytest.approx([101.0, 106.0, 111.0])
    faults.hold({})
    world.run(60)
    assert len(world.paused) == 3


def test_a_pause_that_is_due_falls_on_requests_under_way() -> None:
    world = World(_on(every=4.0))
    with world.pauses.request():
        world.run(0.5)
        assert world.paused == [], "a single one might be slow by itself"
        with world.pauses.request():
            world.pauses.step()
            assert world.paused == [100.5]
            # The next one is not due, however much is going on.
            world.run(2.0)
    assert world.paused == [100.5]


def test_a_healthy_process_is_never_paused() -> None:
    pauses = Pauses(HeldFaults(), lambda _: pytest.fail("paused"))
    with pauses.request(), pauses.request():
        pauses.step()


def test_the_process_measures_how_long_it_stood_still() -> None:
    world = World(_on(seconds=1.2))
    world.run(1.5)
    data = world.reader.get_metrics_data()
    assert data is not None
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    (point,) = metric.data.data_points
    assert (metric.name, metric.unit) == ("cpython.gc.duration", "s")
    assert isinstance(point, HistogramDataPoint)
    assert point.count == 1
    assert point.sum == pytest.approx(1.2)


def test_requests_of_an_app_set_off_what_is_due_by_another_thread() -> None:
    stopped_by: list[str] = []
    has_paused = threading.Event()

    def stop(_: float) -> None:
        stopped_by.append(threading.current_thread().name)
        has_paused.set()

    # The clock stands still, so patience never ends: only requests can set it off.
    pauses = Pauses(_on(), stop, lambda: 100.0)
    app = FastAPI()
    together = threading.Barrier(2)

    @app.get("/")
    def wait() -> bool:
        together.wait(10)
        return has_paused.wait(10)

    pauses.watch(app)
    pauses.start()
    try:
        with serving(app) as address, ThreadPoolExecutor(2) as pool:
            answers = pool.map(httpx.get, [f"http://{address}/"] * 2)
            assert [answer.json() for answer in answers] == [True, True]
    finally:
        pauses.stop()
    assert stopped_by == ["pauses"]
    assert "pauses" not in [thread.name for thread in threading.enumerate()]
