"""Labels: what was really broken and when, one JSON line per finished fault.

A tool that judges an observability store reads them as the truth: all telemetry between start and
end was made while every instance knew of the fault.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shop.chassis.ports import FaultParameters
from shop.faults.catalogue import Fault


@dataclass(frozen=True, slots=True)
class Label:
    """One line. `kind` says where the cause is: "edge" when a call between two services is guilty
    (`edge` has caller and callee), else "operation" (`edge` is empty). The other words are those
    of `faults.toml`."""

    fault: str
    service: str
    operation: str
    edge: Sequence[str]
    detector: str
    kind: str
    visible: str
    root: str
    parameters: FaultParameters
    start_unix_nano: int
    end_unix_nano: int

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "edge": list(self.edge), "parameters": dict(self.parameters)}


def label_of(fault: Fault, parameters: FaultParameters, start: int, end: int) -> Label:
    """The label of a fault that was on from `start` to `end`, unix nanoseconds."""
    return Label(
        fault=fault.name,
        service=fault.service,
        operation=fault.operation,
        edge=fault.edge,
        detector=fault.detector,
        kind="edge" if fault.edge else "operation",
        visible=fault.visible,
        root=fault.root,
        parameters=dict(parameters),
        start_unix_nano=start,
        end_unix_nano=end,
    )


class LabelsFile:
    """Appends labels to a file, safe on disk when `write` returns; without a path it forgets.
    Raises OSError for a path that can't be written."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Opened once, so that a path that can't be written is known now and not at the end of
            # the first fault.
            path.open("ab").close()

    def write(self, label: Label) -> None:
        """One whole line in one write. Raises OSError."""
        if self._path is None:
            return
        line = json.dumps(label.document()) + "\n"
        with self._path.open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())


def read_labels(path: Path) -> list[dict[str, Any]]:
    """The labels of a file, in the order they finished."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
