"""Balancing: which instance of a service gets the next call.

Smooth weighted round robin, as nginx does it: every instance gains its weight, the richest is
chosen and pays the sum of all weights. Shares are exact over a round and spread within it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from shop.chassis.errors import DependencyUnavailable
from shop.chassis.ports import Discovery, Instance

SKIP_SECONDS = 2.0  # as long as the registry may need to notice that an instance is gone


class Balancer:
    """Chooses among the instances of one service. Thread-safe."""

    def __init__(self, service: str, discovery: Discovery, clock: Callable[[], float]) -> None:
        self._service = service
        self._discovery = discovery
        self._clock = clock
        self._lock = threading.Lock()
        self._credit: dict[str, int] = {}
        self._skip_until: dict[str, float] = {}

    def pick(self, avoid: Collection[str] = ()) -> Instance:
        """The next instance by weight. Instances in `avoid` (their ids) and ones that lately
        refused are passed over as long as others are there. Raises `DependencyUnavailable` when
        discovery knows none."""
        instances = self._discovery.instances(self._service)
        if not instances:
            error = DependencyUnavailable(self._service, f"no instance of {self._service} is known")
            error.was_never_sent = True
            raise error
        now = self._clock()
        with self._lock:
            present = {instance.instance_id for instance in instances}
            self._credit = {key: at for key, at in self._credit.items() if key in present}
            self._skip_until = {
                key: until
                for key, until in self._skip_until.items()
                if key in present and until > now
            }
            welcome = [one for one in instances if one.instance_id not in self._skip_until]
            fresh = [one for one in welcome or instances if one.instance_id not in avoid]
            return self._richest(fresh or welcome or list(instances))

    def refused(self, instance: Instance) -> None:
        """Nobody listens there: pass it over for a while."""
        with self._lock:
            self._skip_until[instance.instance_id] = self._clock() + SKIP_SECONDS

    def _richest(self, instances: list[Instance]) -> Instance:
        # An instance of weight 0 gets nothing, unless there is nothing else.
        weights = {one.instance_id: max(0, one.weight) for one in instances}
        if not any(weights.values()):
            weights = dict.fromkeys(weights, 1)
        for key, weight in weights.items():
            self._credit[key] = self._credit.get(key, 0) + weight
        chosen = max(
            (one for one in instances if weights[one.instance_id]),
            key=lambda one: self._credit[one.instance_id],
        )
        self._credit[chosen.instance_id] -= sum(weights.values())
        return chosen
