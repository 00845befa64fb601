"""Discovery by DNS and for third parties."""

from __future__ import annotations

from collections.abc import Sequence

from shop.chassis.discovery import DnsDiscovery, RegistryDiscovery, WithOutside
from tests.shop.runtime.clocks import Clock


class Names:
    """A DNS that tests write."""

    def __init__(self) -> None:
        self.records: dict[str, Sequence[str]] = {}
        self.asked = 0

    def __call__(self, name: str) -> Sequence[str]:
        self.asked += 1
        if name not in self.records:
            raise OSError("no such name")
        return self.records[name]


def dns(names: Names, clock: Clock) -> DnsDiscovery:
    return DnsDiscovery("shop.svc", 8080, 9090, ttl_seconds=2.0, resolve=names, now=clock)


def test_every_address_of_a_name_is_an_instance() -> None:
    names, clock = Names(), Clock()
    names.records["payment-service.shop.svc"] = ["10.0.0.1", "fd00::1"]

    found = dns(names, clock).instances("payment-service")

    assert [(each.http, each.grpc) for each in found] == [
        ("10.0.0.1:8080", "10.0.0.1:9090"),
        ("[fd00::1]:8080", "[fd00::1]:9090"),
    ]
    assert {each.service for each in found} == {"payment-service"}


def test_dns_is_asked_again_when_its_answer_is_old() -> None:
    names, clock = Names(), Clock()
    discovery = dns(names, clock)
    names.records["user-service.shop.svc"] = ["10.0.0.1"]
    discovery.instances("user-service")
    names.records["user-service.shop.svc"] = ["10.0.0.2"]

    assert [each.http for each in discovery.instances("user-service")] == ["10.0.0.1:8080"]
    assert names.asked == 1
    clock.seconds += 2.1
    assert [each.http for each in discovery.instances("user-service")] == ["10.0.0.2:8080"]


def test_the_last_answer_goes_on_while_dns_is_away() -> None:
    names, clock = Names(), Clock()
    discovery = dns(names, clock)
    names.records["user-service.shop.svc"] = ["10.0.0.1"]
    discovery.instances("user-service")
    names.records.clear()
    clock.seconds += 10

    assert [each.http for each in discovery.instances("user-service")] == ["10.0.0.1:8080"]


def test_an_unknown_name_has_no_instances() -> None:
    assert list(dns(Names(), Clock()).instances("nobody")) == []


def test_third_parties_are_found_by_the_settings() -> None:
    discovery = WithOutside(RegistryDiscovery(), "http://127.0.0.1:7000/")

    (carrier,) = discovery.instances("carrier")
    assert carrier.http == "127.0.0.1:7000"
    assert list(discovery.instances("order-service")) == []
    assert list(WithOutside(RegistryDiscovery(), "").instances("carrier")) == []


def test_the_registry_names_instances_in_a_stable_order() -> None:
    discovery = RegistryDiscovery()
    told = [
        {"service": "a", "instance_id": name, "version": "1", "host_name": "h", "http": "x:1"}
        for name in ("a-2", "a-1")
    ]
    discovery.hold(told)

    assert [each.instance_id for each in discovery.instances("a")] == ["a-1", "a-2"]
    discovery.hold(told[:1])
    assert [each.instance_id for each in discovery.instances("a")] == ["a-2"]
