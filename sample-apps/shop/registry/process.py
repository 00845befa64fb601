"""The registry as a process: its state in the data folder, its labels in a file."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from shop.chassis.process import Endpoints, serve_app
from shop.chassis.settings import Settings, SettingsError
from shop.faults.labels import LabelsFile
from shop.registry.api import registry_app
from shop.registry.registry import Registry
from shop.registry.switchboard import Switchboard

# Until somebody says otherwise. Both variants are in use, so that traces differ by the flag.
ROLLOUTS = {"recommendation-ranking": {"popular": 70, "personal": 30}}


def serve_registry(
    settings: Settings,
    listener: socket.socket,
    stop: threading.Event,
    announce: Callable[[Endpoints], None],
) -> None:
    """Serve until `stop`, then end the faults that are still on."""
    settings.make_data_dir()
    try:
        labels = LabelsFile(Path(settings.labels_file) if settings.labels_file else None)
    except OSError as error:
        raise SettingsError(f"SHOP_LABELS_FILE can't be written: {error}") from error
    # The first revision is above all of an earlier registry whose file was lost.
    first_revision = time.time_ns() // 1_000_000
    switchboard = Switchboard(settings.data_dir / "registry.json", first_revision, ROLLOUTS)
    registry = Registry(switchboard, labels, time.monotonic, time.time_ns)
    serve_app(registry_app(registry), listener, stop, announce, settings.drain_seconds)
    registry.switch_all_off()
