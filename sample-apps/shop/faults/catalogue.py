"""The catalogue: what can be broken, read from `faults.toml`, the ground truth of the shop."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from shop.chassis.errors import Invalid
from shop.chassis.ports import FaultParameters
from shop.faults.limits import checked


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry; the head of `faults.toml` says what the fields mean. `edge` is (caller, callee)
    or empty, `parameters` are the defaults."""

    name: str
    summary: str
    service: str
    operation: str
    detector: str
    visible: str
    root: str
    say: str
    edge: tuple[str, ...]
    parameters: FaultParameters

    def parameters_with(self, given: Mapping[str, Any]) -> FaultParameters:
        """The defaults, and what is given instead; numbers may come as text. Raises `Invalid` for
        a parameter that the fault lacks and for a number outside of its limits."""
        unknown = sorted(set(given) - set(self.parameters))
        if unknown:
            known = ", ".join(self.parameters) or "none"
            raise Invalid(f"{self.name} has no parameter {unknown[0][:50]!r}; it has {known}")
        told: dict[str, int | float | str | bool] = dict(self.parameters)
        for key, value in given.items():
            number = checked(key, value)
            is_int = isinstance(self.parameters[key], int) and float(number).is_integer()
            told[key] = int(number) if is_int else float(number)
        return told


def _read() -> Mapping[str, Fault]:
    # Beside the package in the checkout, inside of it when installed.
    package = Path(__file__).resolve().parents[1]
    inside, beside = package / "faults.toml", package.parent / "faults.toml"
    text = (beside if beside.exists() else inside).read_text(encoding="utf-8")
    entries = (_fault(entry) for entry in tomllib.loads(text)["fault"])
    return MappingProxyType({fault.name: fault for fault in entries})


def _fault(entry: Mapping[str, Any]) -> Fault:
    told = {**entry, "edge": tuple(entry.get("edge", ()))}
    told["parameters"] = MappingProxyType(dict(entry.get("parameters", {})))
    return Fault(**told)


CATALOGUE = _read()
"""Every fault by its name, in the order of the file."""
