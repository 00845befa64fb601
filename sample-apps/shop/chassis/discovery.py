"""Discovery: where services run, told by the registry's heartbeat answers or by DNS."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from shop.chassis.ports import Discovery, Instance

logger = logging.getLogger("shop.discovery")


class RegistryDiscovery:
    """Implements `Discovery` with what the last heartbeat answered; empty before the first."""

    def __init__(self) -> None:
        self._instances: Mapping[str, Sequence[Instance]] = {}

    def hold(self, instances: Iterable[Mapping[str, Any]]) -> None:
        """These live from now on, all others are gone."""
        found: dict[str, list[Instance]] = {}
        for told in instances:
            instance = Instance(**told)
            found.setdefault(instance.service, []).append(instance)
        self._instances = {
            service: sorted(of_service, key=lambda each: each.instance_id)
            for service, of_service in found.items()
        }

    def instances(self, service: str) -> Sequence[Instance]:
        """As the port says."""
        return self._instances.get(service, ())


OUTSIDE = ("card-network", "carrier", "mail-relay")
"""Third parties: found where the settings say, not by discovery."""


class WithOutside:
    """Implements `Discovery` for services by another one, and for third parties by their URL."""

    def __init__(self, services: Discovery, outside_url: str) -> None:
        self._services = services
        address = outside_url.removeprefix("http://").rstrip("/")
        self._outside = {
            name: [Instance(name, name, version="", host_name=name, http=address)]
            for name in (OUTSIDE if address else ())
        }

    def instances(self, service: str) -> Sequence[Instance]:
        """As the port says."""
        return self._outside.get(service) or self._services.instances(service)


Resolve = Callable[[str], Sequence[str]]


def resolve_addresses(name: str) -> Sequence[str]:
    """The addresses behind a DNS name, in a stable order. Raises OSError."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return sorted({str(each[4][0]) for each in found})


class DnsDiscovery:
    """Implements `Discovery` by DNS names, as Compose and Kubernetes answer them: the service's
    name (and domain) has one address per instance, or one that stands for all of them. A name is
    asked again when its answer is older than `ttl_seconds`; if DNS fails, the last one goes on."""

    def __init__(
        self,
        domain: str,
        http_port: int,
        grpc_port: int,
        *,
        ttl_seconds: float = 2.0,
        resolve: Resolve = resolve_addresses,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._suffix = f".{domain}" if domain else ""
        self._http_port, self._grpc_port = http_port, grpc_port
        self._ttl_seconds, self._resolve, self._now = ttl_seconds, resolve, now
        self._lock = threading.Lock()
        self._held: dict[str, tuple[float, Sequence[Instance]]] = {}

    def instances(self, service: str) -> Sequence[Instance]:
        """As the port says, save that one caller in `ttl_seconds` waits for DNS."""
        held = self._held.get(service)
        if held is not None and self._now() < held[0] + self._ttl_seconds:
            return held[1]
        if not self._lock.acquire(blocking=held is None):
            return held[1] if held is not None else ()
        try:
            found = self._ask(service, held[1] if held is not None else ())
            self._held[service] = (self._now(), found)
            return found
        finally:
            self._lock.release()

    def _ask(self, service: str, last: Sequence[Instance]) -> Sequence[Instance]:
        try:
            addresses = self._resolve(service + self._suffix)
        except OSError as error:
            logger.warning("DNS has no answer for %s: %s", service + self._suffix, error)
            return last
        return [
            Instance(
                service=service,
                instance_id=f"{service}@{address}",
                version="",
                host_name=address,
                http=_at(address, self._http_port),
                grpc=_at(address, self._grpc_port),
            )
            for address in addresses
        ]


def _at(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
