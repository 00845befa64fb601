"""The wiring: the one place that chooses which port is implemented by what."""

from __future__ import annotations

from collections.abc import Sequence

from shop.chassis.caller import HttpCaller
from shop.chassis.chassis import Chassis
from shop.chassis.database import SqlDatabase
from shop.chassis.discovery import DnsDiscovery, RegistryDiscovery, WithOutside
from shop.chassis.heartbeat import Held
from shop.chassis.messaging import open_events
from shop.chassis.ports import Caller, Database, Discovery, PolicySource
from shop.chassis.settings import Settings
from shop.chassis.skew import FAULT as CLOCK_SKEW
from shop.chassis.skew import skew_of
from shop.chassis.switches import HeldFaults, HeldFlags
from shop.chassis.telemetry import Telemetry


def make_chassis(
    settings: Settings, telemetry: Telemetry | None = None, held: Held | None = None
) -> Chassis:
    """The ports as `settings` ask for them. `held` is what a heartbeat fills; without one, nobody
    else is found and nothing is switched on. Nothing is opened yet, no thread started."""
    held = held or Held(RegistryDiscovery(), HeldFaults(), HeldFlags())
    services: Discovery = held.discovery
    if settings.discovery == "dns":
        services = DnsDiscovery(settings.dns_domain, settings.dns_http_port, settings.dns_grpc_port)
    discovery = WithOutside(services, settings.outside_url)
    if telemetry is not None:
        telemetry.skew.follow(
            skew_of(held.faults, settings.service_name, settings.instance_id),
            lambda trace_id: held.faults.acted(CLOCK_SKEW, trace_id),
        )

    def caller(dependency: str, policy: PolicySource) -> Caller:
        return HttpCaller(dependency, policy, discovery)

    def database(schema: Sequence[str]) -> Database:
        if settings.database_url.startswith("sqlite"):
            settings.make_data_dir()
        return SqlDatabase(settings, schema)

    return Chassis(
        settings=settings,
        discovery=discovery,
        faults=held.faults,
        flags=held.flags,
        events=open_events(settings),
        caller=caller,
        database=database,
    )
