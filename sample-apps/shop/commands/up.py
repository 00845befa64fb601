"""`python -m shop up`: the whole shop on this machine, a process per instance."""

from __future__ import annotations

import gc
import math
import secrets
import shutil
import ssl
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from shop.chassis.process import listen_on
from shop.chassis.settings_check import SettingsError, is_url, usable_folder
from shop.children import Nursery
from shop.faults.catalogue import CATALOGUE
from shop.faults.labels import LabelsFile
from shop.programs import LOAD, program_of
from shop.supervisor import StartError, Supervisor
from shop.topology import PLATFORM, SERVICES, Addresses, ProcessPlan, build_of, plan_local


@dataclass(frozen=True, slots=True)
class UpSettings:
    """What the flags of `up` say. `duration_seconds` 0 is for ever; without a `data_dir` a
    temporary one is made, and deleted at the end."""

    rate: float = 8.0
    duration_seconds: float = 0.0
    labels_file: str = ""
    data_dir: Path | None = None
    otlp_endpoint: str = ""
    faults: Sequence[str] = ()
    is_loaded: bool = True


def up(settings: UpSettings) -> int:
    """Start, say so in one line on stdout, keep running until a signal, the end of the parent or
    of the duration; stop. 0 when asked to stop, 1 when it did not start. Raises `SettingsError`
    for a fault that there is not, and for a flag that makes no sense."""
    _check(settings)
    data_dir = settings.data_dir or Path(tempfile.mkdtemp(prefix="shop-"))
    try:
        usable_folder(data_dir, "--data-dir")
        return _up(settings, data_dir.resolve())
    finally:
        if settings.data_dir is None:
            shutil.rmtree(data_dir, ignore_errors=True)


def _check(settings: UpSettings) -> None:
    """Before anything starts: the processes of the shop would say it in their own logs."""
    for fault in settings.faults:
        if fault not in CATALOGUE:
            raise SettingsError(f"there is no fault {fault!r}; see `python -m shop faults`")
    if not 0 < settings.rate < math.inf:
        raise SettingsError(f"--rate is {settings.rate:g}: say how many journeys a second")
    if not 0 <= settings.duration_seconds < math.inf:
        raise SettingsError(f"--duration is {settings.duration_seconds:g}: say how many seconds")
    if settings.otlp_endpoint and not is_url(settings.otlp_endpoint):
        raise SettingsError(f"--otlp-endpoint is {settings.otlp_endpoint!r}: not http://host:port")
    if settings.labels_file:
        try:
            LabelsFile(Path(settings.labels_file))
        except (OSError, ValueError) as error:
            raise SettingsError(f"--labels can't be written: {error}") from error


def _up(settings: UpSettings, data_dir: Path) -> int:
    began = time.monotonic()
    _import_everything()
    nursery = Nursery(data_dir / "logs")
    ports = {name: listen_on("127.0.0.1:0") for name in (*PLATFORM, "gateway-1")}
    for name, listener in ports.items():
        nursery.hold(name, listener)
    urls = {name: f"http://127.0.0.1:{each.getsockname()[1]}" for name, each in ports.items()}
    addresses = Addresses(urls["gateway-1"], urls["registry"], urls["broker"], urls["outside"])
    labels_file = str(Path(settings.labels_file).resolve()) if settings.labels_file else ""
    plans = plan_local(
        addresses, data_dir, secrets.token_hex(32), labels_file, settings.otlp_endpoint
    )
    supervisor = Supervisor(nursery, program_of)
    try:
        supervisor.start(plans)
        supervisor.wait_ready([plan.name for plan in plans])
        _wait_known(addresses.registry)
        for fault in settings.faults:
            _switch_on(addresses.registry, fault)
        if not supervisor.is_stopping:
            print(
                f"shop ready gateway={addresses.gateway} registry={addresses.registry}"
                f" broker={addresses.broker} outside={addresses.outside}",
                flush=True,
            )
            print(f"shop: ready in {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
        if settings.is_loaded and not supervisor.is_stopping:
            supervisor.start([_load_plan(settings, addresses)], ends_shop=True)
        until = time.monotonic() + settings.duration_seconds
        supervisor.watch(until if settings.duration_seconds else float("inf"))
        supervisor.stop([LOAD], seconds=3.0)
        _end_faults(addresses.registry)
        # The front door first: what it let in is served to the end.
        supervisor.stop(["gateway-1"])
    except StartError as error:
        print(f"shop: {error}", file=sys.stderr, flush=True)
        return 1
    finally:
        supervisor.close()
    return 0


def _import_everything() -> None:
    for service in SERVICES:
        build_of(service)
    # What is there now lives as long as the process; a collection would only touch its pages, and
    # a touched page is a copied one in every child.
    gc.collect()
    gc.freeze()


def _load_plan(settings: UpSettings, addresses: Addresses) -> ProcessPlan:
    told = {
        "gateway": addresses.gateway,
        "registry": addresses.registry,
        "rate": str(settings.rate),
        "duration": str(settings.duration_seconds),
    }
    return ProcessPlan(LOAD, LOAD, told)


def _client(registry: str) -> httpx.Client:
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.Client(base_url=registry, timeout=10.0, trust_env=False, verify=nobody)


def _wait_known(registry: str) -> None:
    """Ready means that every service knows where the others are."""
    with _client(registry) as client:
        client.get("/v1/instances/known").raise_for_status()


def _switch_on(registry: str, fault: str) -> None:
    with _client(registry) as client:
        answer = client.put(f"/v1/faults/{fault}")
    if answer.is_error:
        raise StartError(answer.json().get("detail", answer.text))


def _end_faults(registry: str) -> None:
    try:
        with _client(registry) as client:
            client.delete("/v1/faults").raise_for_status()
    except httpx.HTTPError as error:
        print(f"shop: faults may have no label: {error}", file=sys.stderr, flush=True)
