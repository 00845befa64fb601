"""The switchboard: which faults and flags are on, since when, kept over a restart."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop.chassis.errors import Invalid, NotFound
from shop.chassis.ports import FaultParameters
from shop.faults.catalogue import CATALOGUE, Fault
from shop.identifiers import is_identifier

MOST_FLAGS = 100
MOST_VARIANTS = 20
MOST_SHARE = 1_000_000


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault that is on. `start_unix_nano` is 0 until every instance knows of it."""

    parameters: FaultParameters
    start_unix_nano: int = 0


class Switchboard:
    """Faults and flags, saved to a file whole at every change; not safe between threads. Each
    change has a revision, higher than any before, so that "applied" can be told from "not yet".
    `rollouts` holds for the flags that nobody has set: key, then variant, then share.
    """

    def __init__(
        self,
        path: Path | None,
        first_revision: int,
        rollouts: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        self._path = path
        self.faults: dict[str, ActiveFault] = {}
        self.flags: dict[str, dict[str, Any]] = {
            key: {"variants": dict(shares)} for key, shares in (rollouts or {}).items()
        }
        self.revision = first_revision
        if path is not None and path.exists():
            self._load(json.loads(path.read_text(encoding="utf-8")))

    def parameters(self) -> dict[str, FaultParameters]:
        """The parameters of every fault that is on."""
        return {name: dict(fault.parameters) for name, fault in self.faults.items()}

    def switch_on(self, fault: Fault, given: Mapping[str, Any]) -> int:
        """Returns the revision. Raises `Invalid` for parameters that the fault lacks."""
        self.faults[fault.name] = ActiveFault(fault.parameters_with(given))
        return self._changed()

    def started(self, name: str, start_unix_nano: int) -> None:
        """Every instance knows of the fault since then."""
        self.faults[name] = ActiveFault(self.faults[name].parameters, start_unix_nano)
        self._save()

    def switch_off(self, name: str) -> int:
        """Returns the revision."""
        del self.faults[name]
        return self._changed()

    def set_flag(self, key: str, variants: Mapping[str, Any]) -> int:
        """Returns the revision. Raises `Invalid` unless key and variants are identifiers, every
        share is a number from zero to `MOST_SHARE` and one is above zero."""
        if not is_identifier(key):
            raise Invalid(f"{key[:50]!r} is no name of a flag")
        if key not in self.flags and len(self.flags) >= MOST_FLAGS:
            raise Invalid(f"there are {MOST_FLAGS} flags already")
        if len(variants) > MOST_VARIANTS:
            raise Invalid(f"a flag has at most {MOST_VARIANTS} variants")
        shares: dict[str, float] = {}
        for name, share in variants.items():
            is_number = isinstance(share, int | float) and not isinstance(share, bool)
            if not is_identifier(name):
                raise Invalid(f"{name[:50]!r} is no name of a variant")
            if not is_number or not 0 <= share <= MOST_SHARE:
                raise Invalid(f"the share of variant {name!r} is {str(share)[:50]}")
            shares[name] = share
        if sum(shares.values()) <= 0:
            raise Invalid("a flag needs a variant with a share above zero")
        self.flags[key] = {"variants": shares}
        return self._changed()

    def _changed(self) -> int:
        self.revision += 1
        self._save()
        return self.revision

    def _save(self) -> None:
        if self._path is None:
            return
        faults = {
            name: {"parameters": dict(fault.parameters), "start_unix_nano": fault.start_unix_nano}
            for name, fault in self.faults.items()
        }
        document = {"faults": faults, "flags": self.flags, "revision": self.revision}
        # Written beside and moved over, so that a crash leaves the old state or the new one.
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(document), encoding="utf-8")
        os.replace(fresh, self._path)

    def _load(self, document: Mapping[str, Any]) -> None:
        self.flags |= document["flags"]
        self.faults = {
            name: ActiveFault(told["parameters"], told["start_unix_nano"])
            for name, told in document["faults"].items()
            if name in CATALOGUE
        }
        self.revision = max(self.revision, int(document["revision"]) + 1)


def fault_named(name: str) -> Fault:
    """Raises `NotFound`."""
    if name not in CATALOGUE:
        raise NotFound(f"there is no fault {name!r}")
    return CATALOGUE[name]
