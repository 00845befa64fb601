"""The document of `longpole doctor --json`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from longpole.model.problem import Problem
from longpole.storage.checkup import Checkup


def checkup_document(
    checkup: Checkup, data_dir: Path, server_pid: int | None, repairs: Iterable[Problem]
) -> dict[str, Any]:
    """`repairs` are what a repair before the checkup had to say."""
    return {
        "data_dir": str(data_dir),
        "is_healthy": checkup.is_healthy,
        "server_pid": server_pid,
        "parts": [
            {
                "name": part.name,
                "state": part.state,
                "records": part.records,
                "bytes": part.byte_count,
                "message": part.message,
            }
            for part in checkup.parts
        ],
        "problems": [_problem(problem) for problem in checkup.problems],
        "repairs": [_problem(problem) for problem in repairs],
        "losses": dict(checkup.losses),
        "quarantine": [{"name": name, "bytes": size} for name, size in checkup.quarantine.items()],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "message": problem.message,
        "severity": problem.severity.value,
        "count": problem.count,
    }
