"""Checks of settings: what a process refuses to start with, in words that name the variable.

Whoever deploys it learns of a slip at once, in one line, and not from a stack trace or from a
service that behaves oddly.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shop.identifiers import is_identifier

if TYPE_CHECKING:
    from shop.chassis.settings import Settings


class SettingsError(Exception):
    """A variable that is missing or makes no sense; the words name it."""


# Field: least and most.
_RANGES: Mapping[str, tuple[float, float]] = {
    "weight": (0, 10_000),
    "heartbeat_seconds": (0.01, 3600),
    "dns_http_port": (1, 65535),
    "dns_grpc_port": (1, 65535),
    "database_pool_size": (1, 1000),
    "database_pool_timeout_seconds": (0, 3600),
    "drain_seconds": (0, 3600),
    "span_delay_ms": (1, 3_600_000),
    "log_delay_ms": (1, 3_600_000),
    "metric_interval_ms": (1, 3_600_000),
}
_DATABASES = ("sqlite", "postgresql")


def check_settings(settings: Settings) -> None:
    """Raises `SettingsError` for the first one that makes no sense."""
    for name, (least, most) in _RANGES.items():
        value = getattr(settings, name)
        if not least <= value <= most or not math.isfinite(value):
            raise _wrong(settings, name, f"not from {least:g} to {most:g}")
    for name in ("service_name", "instance_id"):
        if not is_identifier(getattr(settings, name)):
            raise _wrong(settings, name, "use letters, digits and . _ : -")
    for name in ("listen", "grpc_listen"):
        try:
            split_address(getattr(settings, name))
        except SettingsError as error:
            raise SettingsError(f"{_variable(settings, name)}: {error}") from error
    for name in ("registry_url", "outside_url", "otlp_endpoint"):
        if getattr(settings, name) and not is_url(getattr(settings, name)):
            raise _wrong(settings, name, "not http://host:port")
    is_local = settings.broker == "local" or settings.broker.startswith("local:///")
    if not is_local and not is_url(settings.broker, ("http", "nats")):
        raise _wrong(settings, "broker", "not http://…, nats://…, local or local:///path")
    if settings.discovery not in ("registry", "dns"):
        raise _wrong(settings, "discovery", "say registry or dns")
    if settings.log_level.upper() not in logging.getLevelNamesMapping():
        raise _wrong(settings, "log_level", "say DEBUG, INFO, WARNING, ERROR or CRITICAL")
    if not _is_rate(settings.rate_limit):
        raise _wrong(settings, "rate_limit", "say it like 100/minute")
    for name in ("database_url", "order_database_url"):
        if getattr(settings, name):
            _check_database(_variable(settings, name), getattr(settings, name))


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port`. Raises `SettingsError`."""
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise SettingsError(f"{address!r} is not host:port")
    return host.strip("[]"), int(port)


def is_url(text: str, schemes: tuple[str, ...] = ("http", "https")) -> bool:
    """Whether it says with what and where to speak."""
    try:
        url = urlsplit(text)
        has_port = url.port is None or url.port > 0
    except ValueError:
        return False
    return url.scheme in schemes and bool(url.hostname) and has_port and text.isprintable()


def usable_folder(folder: Path, variable: str) -> None:
    """Make a folder, if it is missing. Raises `SettingsError` when nothing can be written in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{variable} can't be used: {error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SettingsError(f"{variable} can't be used: nothing may be written to {folder}")


# What reads these is imported with the settings that need it: `python -m shop faults` does not.


def _is_rate(text: str) -> bool:
    from limits import parse

    try:
        return parse(text).amount > 0
    except ValueError:
        return False


def _check_database(variable: str, url: str) -> None:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    # It may hold a password, so it is not repeated.
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (SQLAlchemyError, ValueError, ImportError) as error:
        raise SettingsError(f"{variable} is no URL of a database that can be used here") from error
    if parsed.get_backend_name() not in _DATABASES:
        raise SettingsError(f"{variable}: only {' and '.join(_DATABASES)} can be used")


def _wrong(settings: Settings, name: str, words: str) -> SettingsError:
    return SettingsError(f"{_variable(settings, name)} is {getattr(settings, name)!r}: {words}")


def _variable(settings: Settings, name: str) -> str:
    return str(type(settings).__dataclass_fields__[name].metadata["variable"])
