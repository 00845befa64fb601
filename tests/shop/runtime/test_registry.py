"""The registry: who lives, what is on, since when, and the labels that say so."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from shop.chassis.errors import Invalid, NotFound
from shop.chassis.ports import Instance
from shop.chassis.switches import variant_of
from shop.faults.labels import LabelsFile, read_labels
from shop.recommendation.logic import FLAG_RANKING
from shop.registry import registry as module
from shop.registry.api import registry_app
from shop.registry.process import ROLLOUTS
from shop.registry.registry import TTL_SECONDS, Registry
from shop.registry.switchboard import Switchboard
from tests.shop.runtime.clocks import Clock
from tests.shop.runtime.serving import client_of


class Bench:
    """A registry with files and a clock."""

    def __init__(self, folder: Path) -> None:
        self.labels_file = folder / "labels.jsonl"
        self.state_file = folder / "registry.json"
        self.clock = Clock()
        self.restart()

    def restart(self, first_revision: int = 1) -> None:
        switchboard = Switchboard(self.state_file, first_revision)
        labels = LabelsFile(self.labels_file)
        self.registry = Registry(switchboard, labels, self.clock, self.clock.wall)

    def beat(self, name: str, revision: int = 1, service: str = "payment-service") -> Any:
        instance = Instance(service, name, "1.4.0", "node-a", "127.0.0.1:1")
        return self.registry.beat(instance, revision)

    def names(self, service: str = "") -> list[str]:
        return [each.instance_id for each in self.registry.instances(service)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_an_instance_lives_as_long_as_it_beats(bench: Bench) -> None:
    bench.beat("b")
    bench.beat("a")
    assert bench.names() == ["a", "b"]

    bench.clock.seconds += TTL_SECONDS - 0.1
    bench.beat("a")
    bench.clock.seconds += 0.2
    assert bench.names() == ["a"]


def test_an_instance_that_leaves_is_gone_at_once(bench: Bench) -> None:
    bench.beat("a")
    bench.registry.leave("a")
    bench.registry.leave("a")

    assert bench.names() == []


def test_instances_are_found_by_service(bench: Bench) -> None:
    bench.beat("a")
    bench.beat("b", service="gateway")

    assert bench.names("gateway") == ["b"]
    assert bench.names("order-service") == []


def test_a_fault_starts_when_every_instance_knows_of_it(bench: Bench) -> None:
    bench.beat("a")
    bench.beat("b")
    done: list[Any] = []
    thread = threading.Thread(
        target=lambda: done.append(bench.registry.switch_on("payment-slow", {"seconds": 2}))
    )
    thread.start()
    try:
        # Both are told, but only one has said so.
        while not (told := bench.beat("a", 0))["faults"]:
            pass
        assert told["faults"] == {"payment-slow": {"seconds": 2.0}}
        bench.clock.seconds += 1
        bench.beat("a", told["revision"])
        assert not done
        bench.clock.seconds += 1
        applied_at = bench.clock.wall()
        bench.beat("b", told["revision"])
    finally:
        thread.join(10)

    (applied,) = done
    assert applied.start_unix_nano == applied_at
    assert applied.missing == []


def test_an_instance_that_dies_meanwhile_is_not_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "APPLY_SECONDS", 100.0)
    bench.beat("a")
    done: list[Any] = []
    thread = threading.Thread(
        target=lambda: done.append(bench.registry.switch_on("payment-down", {}))
    )
    thread.start()
    while not bench.registry.faults_on():
        pass
    bench.clock.seconds += TTL_SECONDS + 1
    thread.join(10)

    assert done[0].missing == []


def test_who_has_not_applied_it_in_time_is_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "APPLY_SECONDS", 0.0)
    bench.beat("a")

    assert bench.registry.switch_on("payment-down", {}).missing == ["a"]


def test_a_finished_fault_leaves_a_label(bench: Bench) -> None:
    start = bench.registry.switch_on("payment-slow", {"seconds": "1.5"}).start_unix_nano
    bench.clock.seconds += 7
    label = bench.registry.switch_off("payment-slow")

    assert read_labels(bench.labels_file) == [label.document()]
    assert label.document() == {
        "fault": "payment-slow",
        "service": "payment-service",
        "operation": "shop.payment.v1.PaymentService/Charge",
        "edge": ["order-service", "payment-service"],
        "detector": label.detector,
        "kind": "edge",
        "visible": "trace",
        "root": "POST /api/v1/orders",
        "parameters": {"seconds": 1.5},
        "start_unix_nano": start,
        "end_unix_nano": start + 7_000_000_000,
    }
    assert bench.registry.faults_on() == {}


def test_switching_on_again_finishes_the_first_and_begins_anew(bench: Bench) -> None:
    bench.registry.switch_on("payment-slow", {"seconds": 1})
    bench.clock.seconds += 5
    bench.registry.switch_on("payment-slow", {"seconds": 2})
    bench.clock.seconds += 5
    bench.registry.switch_all_off()

    first, second = read_labels(bench.labels_file)
    assert [first["parameters"], second["parameters"]] == [{"seconds": 1.0}, {"seconds": 2.0}]
    assert first["end_unix_nano"] <= second["start_unix_nano"]


def test_what_is_on_outlives_the_registry(bench: Bench) -> None:
    start = bench.registry.switch_on("inventory-lag", {}).start_unix_nano
    bench.registry.set_flag("ranking", {"on": 1, "off": 1})
    revision = bench.beat("a")["revision"]
    bench.restart()

    told = bench.beat("a", revision)
    assert told["faults"] == {"inventory-lag": {"seconds_per_event": 3.0}}
    assert told["flags"] == {"ranking": {"variants": {"on": 1, "off": 1}}}
    # Nobody has applied what this registry says, even if it is the same.
    assert told["revision"] > revision
    assert [label.start_unix_nano for label in bench.registry.switch_all_off()] == [start]


def test_a_torn_file_never_comes_about(bench: Bench) -> None:
    for number in range(5):
        bench.registry.set_flag(f"flag-{number}", {"on": 1})
        bench.restart()
        assert len(bench.registry.flags()) == number + 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"minutes": 1}, "no parameter 'minutes'; it has seconds"),
        ({"seconds": "soon"}, "'soon', not a number"),
        ({"seconds": -1}, "not from 0 to 60"),
        ({"seconds": float("nan")}, "not from 0 to 60"),
        ({"seconds": 1e12}, "not from 0 to 60"),
        ({"seconds": 10**400}, "not a number"),
        ({"seconds": True}, "not a number"),
        ({"seconds": [1]}, "not a number"),
    ],
)
def test_odd_parameters_are_refused_and_change_nothing(
    bench: Bench, given: dict[str, Any], words: str
) -> None:
    bench.registry.switch_on("payment-slow", {})

    with pytest.raises(Invalid, match=words):
        bench.registry.switch_on("payment-slow", given)

    assert list(bench.registry.faults_on()) == ["payment-slow"]
    assert read_labels(bench.labels_file) == []


@pytest.mark.parametrize("variants", [{}, {"on": 0}, {"on": -1, "off": 2}, {"on": "most"}])
def test_a_rollout_without_shares_is_refused(bench: Bench, variants: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        bench.registry.set_flag("ranking", variants)


def test_a_fault_that_is_off_cannot_be_switched_off(bench: Bench) -> None:
    with pytest.raises(NotFound, match="not on"):
        bench.registry.switch_off("payment-slow")


def test_the_routes_say_the_same(bench: Bench) -> None:
    with client_of(registry_app(bench.registry)) as client:
        say_the_same(client)


def say_the_same(client: httpx.Client) -> None:
    body = {
        "service": "gateway",
        "version": "1.4.0",
        "host_name": "node-a",
        "http": "127.0.0.1:80",
        "grpc": "",
        "weight": 100,
        "revision": 10**18,
    }

    told = client.put("/v1/instances/gateway-1", json=body).json()
    assert told["instances"] == client.get("/v1/instances?service=gateway").json()["instances"]
    assert told["instances"][0]["instance_id"] == "gateway-1"

    on = client.put("/v1/faults/payment-slow", json={"parameters": {"seconds": 1}}).json()
    assert on["start_unix_nano"] > 0
    faults = client.get("/v1/faults").json()
    assert faults["active"] == {"payment-slow": {"seconds": 1.0}}
    assert {fault["name"] for fault in faults["catalogue"]} > {"payment-slow"}
    off = client.delete("/v1/faults/payment-slow")
    assert off.json()["start_unix_nano"] == on["start_unix_nano"]
    assert client.delete("/v1/faults/payment-slow").status_code == 404
    assert client.put("/v1/faults/no-such").json()["code"] == "not_found"
    client.put("/v1/faults/payment-down")
    assert [each["fault"] for each in client.delete("/v1/faults").json()["labels"]] == [
        "payment-down"
    ]

    client.put("/v1/flags/ranking", json={"variants": {"on": 30, "off": 70}})
    assert client.get("/v1/flags/ranking").json() == {"variants": {"on": 30, "off": 70}}
    assert client.get("/v1/flags/none").status_code == 404
    assert client.delete("/v1/instances/gateway-1").status_code == 204
    assert client.get("/v1/instances").json() == {"instances": []}


def test_a_flag_that_nobody_set_has_the_rollout_of_the_start(tmp_path: Path) -> None:
    file = tmp_path / "registry.json"
    both = {"variants": {"popular": 70, "personal": 30}}
    first = Switchboard(file, 1, ROLLOUTS)
    assert first.flags == {FLAG_RANKING: both}
    first.set_flag("other", {"on": 1})
    first.set_flag(FLAG_RANKING, {"personal": 1})
    assert Switchboard(file, 1, ROLLOUTS).flags == {
        FLAG_RANKING: {"variants": {"personal": 1}},
        "other": {"variants": {"on": 1}},
    }


def test_the_first_rollout_shows_both_variants_to_the_users_of_the_shop() -> None:
    variants = [variant_of(ROLLOUTS[FLAG_RANKING], FLAG_RANKING, f"user-{n}") for n in range(1, 51)]
    assert 5 <= variants.count("personal") <= 25
    assert variants.count("personal") + variants.count("popular") == 50


def test_the_ledger_has_the_traces_that_instances_tell_since_the_fault_began(
    bench: Bench,
) -> None:
    one, two, three = (format(number, "032x") for number in (1, 2, 3))
    beat = {"service": "s", "version": "1", "host_name": "h", "http": "127.0.0.1:1"}
    with client_of(registry_app(bench.registry)) as client:

        def tell(acted: dict[str, list[str]]) -> int:
            return client.put("/v1/instances/s-1", json={**beat, "acted": acted}).status_code

        def ledger() -> Any:
            return client.get("/v1/faults/payment-slow/ledger").json()

        assert ledger() == {"fault": "payment-slow", "trace_ids": []}
        assert tell({"payment-slow": [two, one], "from-another-version": [one]}) == 200
        assert tell({"payment-slow": [one, three]}) == 200
        assert ledger()["trace_ids"] == [two, one, three]
        for odd in ({"payment-slow": ["x" * 32]}, {"payment-slow": [one[1:]]}, {"": [one]}):
            assert tell(odd) == 422
        assert client.get("/v1/faults/nothing/ledger").status_code == 404

        client.delete("/v1/instances/s-1")
        client.put("/v1/faults/payment-slow")
        assert ledger()["trace_ids"] == []
