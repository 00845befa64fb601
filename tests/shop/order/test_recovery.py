"""Recovery: what becomes of a saga whose process is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from shop import events
from shop.chassis.build import make_chassis
from shop.chassis.errors import DependencyError, DependencyUnavailable
from shop.chassis.settings import Settings
from shop.order.admin import TASKS
from shop.order.logic import LEASE_SECONDS
from shop.order.patrol import Patrol
from shop.order.saga_store import RECOVERIES
from tests.shop.inventory.stage import wait_until
from tests.shop.order.world import REQUEST, Scene, scene

ROOT = Path(__file__).parents[3]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path) as made:
        yield made


def killed_at(folder: Path, moment: str) -> None:
    """Run a checkout in a process of its own, and kill it at this moment."""
    search = os.pathsep.join([str(ROOT / "sample-apps"), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("dying_checkout.py")), str(folder), moment],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": search},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == moment
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)


@pytest.mark.parametrize(
    ("moment", "calls"),
    [
        # Nobody saw these steps end: they are settled under their keys, then all is undone.
        ("charge", ["charge", "refund"]),
        ("ship", ["ship", "cancel", "correction", "release", "refund"]),
        # Killed while it was being undone: the correction was sent already.
        ("release", ["release", "refund"]),
    ],
)
def test_a_saga_whose_process_was_killed_is_undone_by_the_next_life_of_its_instance(
    tmp_path: Path, moment: str, calls: list[str]
) -> None:
    killed_at(tmp_path, moment)
    with scene(tmp_path) as shop:
        (row,) = shop.rows("SELECT order_id, status FROM orders")
        assert row["status"] == "pending"

        patrol = Patrol(shop.logic, every_seconds=60)
        patrol.start()
        wait_until(lambda: bool(shop.world.told(events.ORDER_CANCELLED)), "recovered")
        patrol.stop()

        assert shop.steps_called() == [*calls, events.ORDER_CANCELLED]
        order = shop.logic.checkout("user-1", REQUEST, "key-1")
        assert order.order_id == row["order_id"]
        assert order.status == "cancelled"
        assert shop.logic.abandoned_sagas(of_owner=True) == []
        saga = shop.spans.one("saga checkout")
        assert saga.attributes is not None
        assert saga.attributes["saga.recovered"] is True
        assert saga.attributes["saga.outcome"] == "compensated"


def left_lying(shop: Scene) -> str:
    """A saga that stands still at reserve, as if its process were gone; its id."""

    def gone() -> None:
        raise SystemExit

    shop.world.before["reserve"] = gone
    tracer = shop.spans.provider.get_tracer("test")
    with pytest.raises(SystemExit), tracer.start_as_current_span("request"):
        shop.logic.checkout("user-1", REQUEST, "key-1")
    shop.world.before.clear()
    shop.world.calls.clear()
    (row,) = shop.rows("SELECT saga_id FROM sagas")
    return str(row["saga_id"])


def test_another_instance_waits_until_the_lease_has_run_out(shop: Scene) -> None:
    saga_id = left_lying(shop)
    other = shop.instance("order-service-2")

    assert other.abandoned_sagas(of_owner=True) == []
    shop.now += LEASE_SECONDS + 1
    assert other.abandoned_sagas(of_owner=False) == [saga_id]

    other.close()


def test_a_saga_under_way_in_this_process_is_not_abandoned(shop: Scene) -> None:
    found: list[list[str]] = []
    shop.world.before["ship"] = lambda: found.append(shop.logic.abandoned_sagas(of_owner=True))

    shop.logic.checkout("user-1", REQUEST, "")

    assert found == [[]]


def test_a_recovered_saga_is_linked_to_the_trace_it_began_in(shop: Scene) -> None:
    saga_id = left_lying(shop)

    assert shop.logic.recover(saga_id) == "compensated"

    request = shop.spans.one("request")
    recovered = [span for span in shop.spans.all() if span.name == "saga checkout"][-1]
    assert [link.context.trace_id for link in recovered.links] == [request.context.trace_id]
    assert recovered.context.trace_id != request.context.trace_id


def test_of_two_that_recover_a_saga_one_does_it(shop: Scene) -> None:
    saga_id = left_lying(shop)
    other = shop.instance("order-service-2")
    outcomes: list[str] = []

    def other_comes_late() -> None:
        shop.world.before.clear()
        outcomes.append(other.recover(saga_id))

    # The other takes it while this one is at it: then this one has to stop.
    shop.world.before["release"] = other_comes_late
    assert shop.logic.recover(saga_id) == ""
    assert outcomes == ["compensated"]
    assert shop.logic.recover(saga_id) == "", "it has ended"
    assert shop.world.calls.count("refund") == 1
    other.close()


def not_released(shop: Scene) -> None:
    """A saga that fails at its e-mail, and the stock cannot be released either."""
    shop.world.fails["email"] = DependencyError("broker", "x")
    shop.world.fails["release"] = DependencyUnavailable("inventory-service", "away")
    shop.logic.checkout("user-1", REQUEST, "")
    shop.world.calls.clear()


def test_an_undo_that_failed_is_tried_again_after_a_pause(shop: Scene) -> None:
    not_released(shop)
    shop.world.fails.clear()
    patrol = Patrol(shop.logic)

    patrol.round(is_first=True)
    assert shop.world.calls == []
    shop.now += 6
    patrol.round()

    assert shop.world.calls == ["release"], "the refund was done the first time"
    assert [one.status for one in shop.world.reservations.values()] == ["released"]
    assert shop.rows("SELECT status FROM sagas") == [{"status": "compensated"}]


def test_the_pauses_grow_until_only_the_admin_task_helps(shop: Scene) -> None:
    not_released(shop)
    patrol = Patrol(shop.logic)
    rounds: list[float] = []
    shop.world.before["release"] = lambda: rounds.append(shop.now)
    for _ in range(2000):
        shop.now += 2
        patrol.round()
    # Two attempts in each round, with half a second between them.
    begins = rounds[::2]
    pauses = [later - earlier for earlier, later in pairwise(begins)]
    assert len(begins) == RECOVERIES
    assert all(later > earlier * 1.5 for earlier, later in pairwise(pauses))

    shop.world.fails.clear()
    chassis = make_chassis(Settings("order-service", data_dir=shop.folder, broker="local"))
    assert TASKS["recover"](chassis) == "gave back 1 sagas to be undone"
    patrol.round()

    assert shop.rows("SELECT status FROM sagas") == [{"status": "compensated"}]
    assert TASKS["recover"](chassis) == "gave back 0 sagas to be undone"


def test_a_patrol_publishes_what_stayed_in_the_outbox_and_leaves_no_spans(shop: Scene) -> None:
    shop.world.fails[events.ORDER_CREATED] = [DependencyUnavailable("broker", "away"), None]
    shop.logic.quick_order("user-1", REQUEST, "")
    shop.now += 5
    patrol = Patrol(shop.logic)
    before = len(shop.spans.all())

    patrol.round()
    assert len(shop.world.told(events.ORDER_CREATED)) == 1
    assert shop.spans.names()[before:] == ["DELETE order_outbox"]
    patrol.round(is_first=True)
    assert shop.spans.names()[before:] == ["DELETE order_outbox"]


def test_a_patrol_goes_on_after_a_saga_that_cannot_be_undone(
    shop: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    patrol = Patrol(shop.logic)
    saga_id = left_lying(shop)
    shop.now += LEASE_SECONDS + 1

    def broken() -> None:
        shop.rows("SELECT nothing FROM nowhere")

    shop.world.before["reserve"] = broken

    patrol.round()
    shop.world.before.clear()

    assert shop.rows("SELECT saga_id, status FROM sagas") == [
        {"saga_id": saga_id, "status": "failed"}
    ]
    assert "internal error" in caplog.text
