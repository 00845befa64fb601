"""Settings: everything a process of the shop is told from outside, read from the environment once.

The fields are the table: each says its variable and what it means, `from_environment` and
`python -m shop settings` both follow it. Nothing else in the shop reads the environment.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from shop.chassis.settings_check import (
    SettingsError,
    check_settings,
    split_address,
    usable_folder,
)

__all__ = ["SettingRow", "Settings", "SettingsError", "settings_table", "split_address"]


def _setting(variable: str, default: Any, about: str, *, secret: bool = False) -> Any:
    metadata = {"variable": variable, "about": about, "secret": secret}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One row of the table of settings. `is_secret`: `<variable>_FILE` may name a file instead."""

    variable: str
    default: str
    about: str
    is_secret: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """What one process is told. Seconds and ports as the names say."""

    service_name: str = field(
        metadata={"variable": "SHOP_SERVICE_NAME", "about": "service.name", "secret": False}
    )
    version: str = _setting("SHOP_VERSION", "1.4.0", "service.version of this instance")
    instance_id: str = _setting(
        "SHOP_INSTANCE_ID", "", "service.instance.id; default: the service name and a random part"
    )
    host_name: str = _setting("SHOP_HOST_NAME", "", "host.name; default: the machine's")
    environment: str = _setting("SHOP_ENVIRONMENT", "development", "deployment.environment.name")
    listen: str = _setting("SHOP_LISTEN", "127.0.0.1:0", "host:port for HTTP; port 0 picks one")
    grpc_listen: str = _setting("SHOP_GRPC_LISTEN", "127.0.0.1:0", "host:port for gRPC")
    advertise_host: str = _setting(
        "SHOP_ADVERTISE_HOST", "", "the host that others reach this instance by; default: listen's"
    )
    weight: int = _setting("SHOP_WEIGHT", 100, "share of the traffic among its service's instances")
    registry_url: str = _setting(
        "SHOP_REGISTRY_URL", "", "http://… of the registry; empty: no discovery, flags and faults"
    )
    heartbeat_seconds: float = _setting(
        "SHOP_HEARTBEAT_SECONDS", 0.5, "how often this instance tells the registry it lives"
    )
    discovery: str = _setting("SHOP_DISCOVERY", "registry", "registry or dns")
    dns_domain: str = _setting(
        "SHOP_DNS_DOMAIN", "", "dns: appended to the service name, as in shop.svc.cluster.local"
    )
    dns_http_port: int = _setting("SHOP_DNS_HTTP_PORT", 8080, "dns: where services speak HTTP")
    dns_grpc_port: int = _setting("SHOP_DNS_GRPC_PORT", 9090, "dns: where services speak gRPC")
    broker: str = _setting(
        "SHOP_BROKER", "local", "http://… (embedded broker), nats://… or local (in the process)"
    )
    data_dir: Path = _setting(
        "SHOP_DATA_DIR", Path("shop-data"), "where SQLite files are; made when it is missing"
    )
    database_url: str = _setting(
        "SHOP_DATABASE_URL",
        "",
        "SQLAlchemy URL of the service's own database; default: a SQLite file in the data folder",
        secret=True,
    )
    database_pool_size: int = _setting("SHOP_DATABASE_POOL_SIZE", 5, "connections of the pool")
    database_pool_timeout_seconds: float = _setting(
        "SHOP_DATABASE_POOL_TIMEOUT_SECONDS", 2.0, "how long a request waits for a connection"
    )
    order_database_url: str = _setting(
        "SHOP_ORDER_DATABASE_URL",
        "",
        "order-service's database, which only the fault shipping-shared-database opens",
        secret=True,
    )
    outside_url: str = _setting(
        "SHOP_OUTSIDE_URL", "", "http://… of the third parties: card network, carrier, mail relay"
    )
    jwt_secret: str = _setting("SHOP_JWT_SECRET", "", "key that signs session tokens", secret=True)
    rate_limit: str = _setting("SHOP_RATE_LIMIT", "100/minute", "requests of one user, gateway")
    drain_seconds: float = _setting(
        "SHOP_DRAIN_SECONDS", 5.0, "how long requests in flight may take after SIGTERM"
    )
    labels_file: str = _setting(
        "SHOP_LABELS_FILE", "", "registry: where finished faults are written, JSON lines"
    )
    log_level: str = _setting("SHOP_LOG_LEVEL", "INFO", "least severe level that is logged")
    otlp_endpoint: str = _setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT", "", "OTLP/gRPC endpoint; empty: nothing is exported"
    )
    otlp_headers: str = _setting(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "",
        "headers of every export, key=value,… percent-encoded: the backend's token",
        secret=True,
    )
    resource_attributes: str = _setting(
        "OTEL_RESOURCE_ATTRIBUTES", "", "further resource attributes, key=value,…"
    )
    span_delay_ms: int = _setting(
        "OTEL_BSP_SCHEDULE_DELAY", 500, "milliseconds that spans wait to be sent together"
    )
    log_delay_ms: int = _setting(
        "OTEL_BLRP_SCHEDULE_DELAY", 500, "milliseconds that log records wait to be sent together"
    )
    metric_interval_ms: int = _setting(
        "OTEL_METRIC_EXPORT_INTERVAL", 5000, "milliseconds between two exports of the metrics"
    )

    def __post_init__(self) -> None:
        if not self.instance_id:
            _put(self, "instance_id", f"{self.service_name}-{uuid.uuid4().hex[:8]}")
        if not self.host_name:
            _put(self, "host_name", socket.gethostname())
        if not self.database_url:
            file = self.data_dir / f"{self.database_namespace}.db"
            _put(self, "database_url", f"sqlite:///{file}")
        check_settings(self)

    def make_data_dir(self) -> None:
        """Make the data folder, if it is missing. Raises `SettingsError` when nothing can be
        written there."""
        usable_folder(self.data_dir, "SHOP_DATA_DIR")

    @property
    def database_namespace(self) -> str:
        """The name of the service's database: `payment` of payment-service."""
        return self.service_name.removesuffix("-service").removeprefix("shop-")

    @property
    def resource_pairs(self) -> dict[str, str]:
        """`resource_attributes` taken apart."""
        pairs = (pair.partition("=") for pair in self.resource_attributes.split(",") if pair)
        return {key.strip(): value.strip() for key, _, value in pairs}

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str] | None = None,
        overrides: Mapping[str, str] | None = None,
    ) -> Settings:
        """The settings that these variables say; `None` means the process's own. `overrides` are
        variables that win. Raises `SettingsError` for a missing service name, a number that is
        none or an unreadable file."""
        variables = {**(os.environ if environ is None else environ), **(overrides or {})}
        told = {}
        for each in fields(cls):
            value = _told(variables, each)
            if value is not None:
                told[each.name] = value
        if not told.get("service_name"):
            raise SettingsError("SHOP_SERVICE_NAME is missing")
        return cls(**told)


def settings_table() -> Sequence[SettingRow]:
    """Every setting, in the order of the fields."""
    return [
        SettingRow(
            each.metadata["variable"],
            str(each.default) if isinstance(each.default, (str, int, float, Path)) else "",
            each.metadata["about"],
            each.metadata["secret"],
        )
        for each in fields(Settings)
    ]


def _told(variables: Mapping[str, str], each: Field[Any]) -> Any:
    variable = each.metadata["variable"]
    text = variables.get(variable)
    if text is None and each.metadata["secret"] and variables.get(f"{variable}_FILE"):
        path = Path(variables[f"{variable}_FILE"])
        try:
            text = path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{variable}_FILE: {error}") from error
    if text is None:
        return None
    if isinstance(each.default, Path):
        return Path(text)
    if not isinstance(each.default, int | float):
        return text
    try:
        return type(each.default)(text)
    except ValueError as error:
        raise SettingsError(f"{variable} is {text!r}: not a number") from error


def _put(settings: Settings, name: str, value: str) -> None:
    # Frozen for everybody else: only the defaults that depend on other fields are set here.
    object.__setattr__(settings, name, value)
