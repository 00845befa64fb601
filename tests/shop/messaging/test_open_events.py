"""Which broker the settings choose."""

from __future__ import annotations

from pathlib import Path

import pytest

from shop.chassis.errors import DependencyError
from shop.chassis.messaging import open_events
from shop.chassis.settings import Settings
from shop.chassis.settings_check import SettingsError
from tests.shop.messaging.brokers import free_port
from tests.shop.messaging.members import Notes, number


def test_local_keeps_events_in_memory_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    events, notes = open_events(Settings("a-service", broker="local")), Notes()
    events.subscribe("orders", "group", notes.handle)
    events.start()
    events.publish("orders", number(1))
    notes.wait_for(1)
    events.stop()
    assert list(tmp_path.iterdir()) == []


def test_local_with_a_path_keeps_events_for_the_next_process(tmp_path: Path) -> None:
    settings = Settings("a-service", broker=f"local://{tmp_path}/events.db")
    before = open_events(settings)
    before.publish("orders", number(1))
    before.stop()
    after, notes = open_events(settings), Notes()
    after.subscribe("orders", "group", notes.handle)
    after.start()
    notes.wait_for(1)
    after.stop()


@pytest.mark.parametrize("broker", ["", "kafka://host", "orders", "127.0.0.1:4222"])
def test_an_address_that_is_none_is_refused(broker: str) -> None:
    with pytest.raises(SettingsError, match="SHOP_BROKER"):
        Settings("a-service", broker=broker)


@pytest.mark.parametrize("scheme", ["http", "nats"])
def test_a_broker_that_is_not_there_fails_the_publisher_and_not_the_start(scheme: str) -> None:
    events = open_events(Settings("a-service", broker=f"{scheme}://127.0.0.1:{free_port()}"))
    events.subscribe("orders", "group", lambda _: None)
    events.start()
    with pytest.raises(DependencyError, match="broker"):
        events.publish("orders", number(1))
    events.stop()
