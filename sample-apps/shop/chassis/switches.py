"""Switches: the faults and feature flags of this instance, as the last heartbeat told them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry import trace

from shop.chassis.ports import FaultParameters
from shop.faults.catalogue import CATALOGUE

PROVIDER = "shop-registry"
MOST_NOTED = 10_000
"""Traces of a fault that wait for the next heartbeat; while the registry is away, no more."""


class HeldFaults:
    """Implements `Faults`: the faults that are on, replaced as a whole by each heartbeat."""

    def __init__(self) -> None:
        self._active: Mapping[str, FaultParameters] = {}
        # By fault the traces it acted in, in their order, since they were last taken.
        self._noted: dict[str, dict[str, None]] = {}
        self._lock = threading.Lock()

    def hold(self, active: Mapping[str, FaultParameters]) -> None:
        """These are on from now on, all others off. Unknown names are kept: another version of
        the registry may know more faults than this instance."""
        self._active = dict(active)

    def active(self, name: str) -> FaultParameters | None:
        """As the port says."""
        if name not in CATALOGUE:
            raise KeyError(name)
        return self._active.get(name)

    def acted(self, name: str, trace_id: int = 0) -> None:
        """As the port says."""
        trace_id = trace_id or trace.get_current_span().get_span_context().trace_id
        if trace_id:
            self.note({name: [format(trace_id, "032x")]})

    def note(self, acted: Mapping[str, Sequence[str]]) -> None:
        """Traces by fault, as 32 hexadecimal digits, for the next `take_noted`."""
        with self._lock:
            for name, trace_ids in acted.items():
                noted = self._noted.setdefault(name, {})
                noted.update(dict.fromkeys(trace_ids[: MOST_NOTED - len(noted)]))

    def take_noted(self) -> dict[str, list[str]]:
        """What was noted since the last call, by fault."""
        with self._lock:
            taken, self._noted = self._noted, {}
        return {name: list(noted) for name, noted in taken.items()}


class HeldFlags:
    """Implements `Flags`. A rollout is `{"variants": {"on": 30, "off": 70}}`: shares of the users,
    in any unit."""

    def __init__(self) -> None:
        self._rollouts: Mapping[str, Mapping[str, float]] = {}

    def hold(self, flags: Mapping[str, Mapping[str, Any]]) -> None:
        """These rollouts hold from now on."""
        self._rollouts = {key: dict(flag["variants"]) for key, flag in flags.items()}

    def variant(self, key: str, default: str, user_id: str = "") -> str:
        """As the port says; the default also when the flag is unknown or all shares are zero."""
        variant = variant_of(self._rollouts.get(key, {}), key, user_id) or default
        span = trace.get_current_span()
        evaluation = {
            "feature_flag.key": key,
            "feature_flag.result.variant": variant,
            "feature_flag.provider.name": PROVIDER,
        }
        span.add_event("feature_flag.evaluation", evaluation)
        span.set_attributes(evaluation)
        return variant


def variant_of(rollout: Mapping[str, float], key: str, user_id: str) -> str:
    """The variant whose share of the interval [0, 1) the hash of key and user falls into; empty
    without shares. A user keeps the variant while the rollout stays, another key rolls anew:

        0        0.3                       1
        |── on ──|────────── off ──────────|
                      ^ hash(key, user)
    """
    total = sum(rollout.values())
    if total <= 0:
        return ""
    digest = hashlib.sha256(f"{key}\0{user_id}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64 * total
    reached = 0.0
    last = ""
    for name, share in rollout.items():
        reached += share
        if share > 0:
            last = name
        if point < reached:
            return name
    return last
