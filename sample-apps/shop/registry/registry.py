"""The registry: who lives where, and the switches that every heartbeat carries to them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shop.chassis.errors import NotFound
from shop.chassis.ports import Instance
from shop.faults.labels import Label, LabelsFile, label_of
from shop.registry.ledger import Ledger
from shop.registry.switchboard import Switchboard, fault_named

TTL_SECONDS = 3.0
# Who has not applied a change by then is dead or stands still; waiting longer helps nobody.
APPLY_SECONDS = 3.0


@dataclass(slots=True)
class _Beat:
    instance: Instance
    seen: float
    revision: int


@dataclass(frozen=True, slots=True)
class Applied:
    """A fault that is on. `missing` names the live instances that had not applied it in time."""

    fault: str
    parameters: Mapping[str, Any]
    start_unix_nano: int
    missing: list[str]


class Registry:
    """Safe between threads. `now` is a monotonic clock in seconds, `wall` unix nanoseconds."""

    def __init__(
        self,
        switchboard: Switchboard,
        labels: LabelsFile,
        now: Callable[[], float],
        wall: Callable[[], int],
        ttl_seconds: float = TTL_SECONDS,
    ) -> None:
        self._switchboard, self._labels = switchboard, labels
        self._now, self._wall = now, wall
        self._ttl_seconds = ttl_seconds
        self.ledger = Ledger()
        self._beats: dict[str, _Beat] = {}
        self._heard = threading.Condition()

    def beat(self, instance: Instance, revision: int) -> dict[str, Any]:
        """Keep the instance for its time to live; it has applied `revision`. Answers with all
        that it should know."""
        with self._heard:
            if instance.instance_id not in self._beats:
                # Who comes is news for everybody else.
                self._switchboard.revision += 1
            self._beats[instance.instance_id] = _Beat(instance, self._now(), revision)
            self._heard.notify_all()
            return {
                "instances": self._live(),
                "flags": dict(self._switchboard.flags),
                "faults": self._switchboard.parameters(),
                "revision": self._switchboard.revision,
            }

    def leave(self, instance_id: str) -> None:
        """The instance is gone; no error when it was never there."""
        with self._heard:
            self._beats.pop(instance_id, None)
            self._heard.notify_all()

    def instances(self, service: str = "") -> list[Instance]:
        """Who lives, by instance id; of one service or of all."""
        with self._heard:
            live = self._live()
        return [each for each in live if service in ("", each.service)]

    def wait_known(self) -> list[str]:
        """Wait until every live instance has heard of all that live now; who has not in time."""
        with self._heard:
            return self._wait_applied(self._switchboard.revision)

    def faults_on(self) -> dict[str, Applied]:
        """Every fault that is on, by name."""
        with self._heard:
            return {
                name: Applied(name, dict(on.parameters), on.start_unix_nano, [])
                for name, on in self._switchboard.faults.items()
            }

    def switch_on(self, name: str, given: Mapping[str, Any]) -> Applied:
        """Switch a fault on and wait until every live instance has applied it: then it starts.
        One that is on already is finished, with its label, and begins anew. Raises `NotFound`,
        `Invalid`."""
        fault = fault_named(name)
        with self._heard:
            fault.parameters_with(given)
            self._finish(name)
            self.ledger.begin(name)
            revision = self._switchboard.switch_on(fault, given)
            missing = self._wait_applied(revision)
            start = self._wall()
            # Somebody else may have switched it off meanwhile.
            if name in self._switchboard.faults:
                self._switchboard.started(name, start)
            parameters = fault.parameters_with(given)
        return Applied(name, parameters, start, missing)

    def switch_off(self, name: str) -> Label:
        """End a fault, then take it away from every instance. Raises `NotFound`, also when it is
        not on."""
        fault_named(name)
        with self._heard:
            label = self._finish(name)
            if label is None:
                raise NotFound(f"the fault {name!r} is not on")
            self._wait_applied(self._switchboard.revision)
        return label

    def flags(self) -> dict[str, dict[str, Any]]:
        """The rollout of every flag, by key."""
        with self._heard:
            return dict(self._switchboard.flags)

    def flag(self, key: str) -> dict[str, Any]:
        """One rollout. Raises `NotFound`."""
        flags = self.flags()
        if key not in flags:
            raise NotFound(f"there is no flag {key!r}")
        return flags[key]

    def set_flag(self, key: str, variants: Mapping[str, Any]) -> dict[str, Any]:
        """Set a rollout and wait until every live instance has applied it. Raises `Invalid`."""
        with self._heard:
            revision = self._switchboard.set_flag(key, variants)
            self._wait_applied(revision)
            return dict(self._switchboard.flags[key])

    def switch_all_off(self) -> list[Label]:
        """End every fault that is on, without waiting for anybody; the labels."""
        with self._heard:
            finished = [self._finish(name) for name in list(self._switchboard.faults)]
        return [label for label in finished if label is not None]

    def _live(self) -> list[Instance]:
        oldest = self._now() - self._ttl_seconds
        self._beats = {key: beat for key, beat in self._beats.items() if beat.seen >= oldest}
        return [self._beats[key].instance for key in sorted(self._beats)]

    def _finish(self, name: str) -> Label | None:
        on = self._switchboard.faults.get(name)
        if on is None:
            return None
        end = self._wall()
        # Switched off before all had applied it: an empty window, for nothing can be said.
        label = label_of(fault_named(name), on.parameters, on.start_unix_nano or end, end)
        self._labels.write(label)
        self._switchboard.switch_off(name)
        return label

    def _wait_applied(self, revision: int) -> list[str]:
        deadline = self._now() + APPLY_SECONDS
        while missing := self._behind(revision):
            left = deadline - self._now()
            if left <= 0:
                break
            # Who died is noticed when its time is over, not by a beat.
            self._heard.wait(min(left, 0.2))
        return missing

    def _behind(self, revision: int) -> list[str]:
        self._live()
        return sorted(key for key, beat in self._beats.items() if beat.revision < revision)
