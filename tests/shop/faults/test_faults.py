"""Each fault shows in the stored spans while it is on, and only then; the labels say when."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.flow.server_process import eventually
from tests.shop.faults.evidence import EVIDENCE
from tests.shop.faults.running_shop import RunningShop, now_unix_nano, running_shop

CATALOGUE = Path(__file__).parent.parent.parent.parent / "sample-apps" / "faults.toml"
FAULTS: dict[str, dict[str, Any]] = {
    fault["name"]: fault for fault in tomllib.loads(CATALOGUE.read_text())["fault"]
}
# One that shows in log records; the demo's own shows in spans (tests/flow/test_demo.py).
# `make test-all` has them all.
SHORT = ("user-log-errors",)
HEALTHY_SECONDS = 4.0
WELL_SECONDS = 20.0
# The customers make the one, and a thread that stops all others the other: no request knows.
WITHOUT_LEDGER = ("gateway-rate-limit", "shipping-pause")

pytestmark = [pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningShop]:
    with running_shop(tmp_path_factory.mktemp("shop"), "--rate", "6") as running:
        checkouts = (
            "SELECT count(*) FROM spans WHERE name = 'saga checkout' AND "
            "\"saga.outcome\" = 'completed'"
        )
        eventually(lambda: running.sql(checkouts)[0][0] > 5, 60)
        yield running
        assert running.stop() == 0


def number(shop: RunningShop, name: str, start: int, end: int) -> float:
    """What the evidence of a fault says of a window."""
    rows = shop.sql(EVIDENCE[name].sql.format(start=start, end=end))
    return float(rows[0][0])


def traces_of(shop: RunningShop, fault: dict[str, Any]) -> set[str]:
    """Traces that hold a span of the guilty service and operation."""
    rows = shop.sql(
        f"SELECT DISTINCT trace_id FROM spans WHERE service_name = '{fault['service']}'"
        f" AND name = '{fault['operation']}'"
    )
    return {str(row[0]) for row in rows}


def show(shop: RunningShop, name: str) -> None:
    fault, evidence = FAULTS[name], EVIDENCE[name]
    # A fault begins in a shop that is well, also after the one before.
    eventually(lambda: httpx.get(f"{shop.gateway}/readyz").status_code == 200, 20)
    well = now_unix_nano()
    eventually(lambda: now_unix_nano() - well > HEALTHY_SECONDS * 1e9, 60)
    healthy = evidence.at_most + 1.0

    def is_healthy() -> bool:
        # A machine that stood still for a moment makes healthy requests slow; that passes.
        nonlocal healthy
        before = now_unix_nano()
        healthy = number(shop, name, before - round(HEALTHY_SECONDS * 1e9), before)
        return healthy <= evidence.at_most

    try:
        eventually(is_healthy, WELL_SECONDS)
    except AssertionError:
        raise AssertionError(f"{name} shows {healthy} in a shop without it") from None
    start = shop.switch_on(name, fault.get("parameters", {}))
    seen = 0.0

    def is_shown() -> bool:
        nonlocal seen
        seen = number(shop, name, start, now_unix_nano())
        return seen > evidence.more_than

    try:
        eventually(is_shown, evidence.seconds)
    except AssertionError:
        raise AssertionError(f"{name} shows {seen}, not more than {evidence.more_than}") from None
    finally:
        label = shop.switch_off(name)
    assert start <= label["start_unix_nano"] < label["end_unix_nano"] <= now_unix_nano()
    (written,) = [one for one in shop.labels() if one["fault"] == name]
    assert written == label
    for key in ("service", "operation", "detector", "visible", "root"):
        assert label[key] == fault[key]
    if name not in WITHOUT_LEDGER:
        eventually(lambda: len(shop.ledger(name)) > 0, 10)
        eventually(lambda: not set(shop.ledger(name)).isdisjoint(traces_of(shop, fault)), 10)
    print(f"{name}: {healthy:g} before, {seen:g} while it was on")


@pytest.mark.parametrize("name", SHORT)
def test_a_fault_shows_in_the_stored_spans(shop: RunningShop, name: str) -> None:
    show(shop, name)


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(set(FAULTS) - set(SHORT)))
def test_every_fault_shows_in_the_stored_spans(shop: RunningShop, name: str) -> None:
    show(shop, name)


def test_every_fault_has_its_evidence() -> None:
    assert EVIDENCE.keys() == FAULTS.keys()
