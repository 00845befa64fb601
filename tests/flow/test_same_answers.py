"""One question, one answer: from a running server, from its data directory, and from the file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.flow.server_process import eventually, running

RECORDINGS = Path(__file__).parent.parent / "analyzer" / "findings" / "recordings"
FILES = [RECORDINGS / f"{name}.json" for name in ("payment-down", "saga-ship-fails", "healthy")]
# It has a log record; the others have none.
FILES.append(RECORDINGS.parent.parent.parent / "cli" / "data" / "checkout.jsonl")
# These traces are old, and get older.
KEEP = ("--retain-days", "36500")
FROM_FILES = [word for file in FILES for word in ("--from", str(file))]
QUESTIONS = (
    ("findings", "--all"),
    ("critical-path",),
    ("critical-path", "--explain", "variance"),
    ("critical-path", "--tree"),
    ("critical-path", "--by", "edge"),
    ("what-if",),
    ("what-if", "--change", "payment-service/*: -50%"),
    ("gaps",),
    ("services",),
    ("services", "order-service"),
    ("compare", "--base", "{ resource.service.name = `inventory-service` }",
     "--head", "{ resource.service.name = `payment-service` }"),
    ("logs",),
    ("logs", "--patterns"),
)  # fmt: skip
# What depends on when the trace was explained or where it lies, not on what it says.
LIVING = frozenset({"unsettled", "unsettled_explained"})


def longpole(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a user starts it."""
    return subprocess.run(
        [sys.executable, "-m", "longpole.cli", *arguments],
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip


def asked(question: tuple[str, ...], *source: str) -> list[Any]:
    """The documents that `--json` prints."""
    run = longpole(*question, "--json", *source)
    assert run.returncode == 0, run.stderr
    return [without_living(json.loads(line)) for line in run.stdout.splitlines()]


def without_living(document: Any) -> Any:
    if isinstance(document, dict):
        return {k: without_living(v) for k, v in document.items() if k not in LIVING}
    if isinstance(document, list):
        return [without_living(value) for value in document]
    return document


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "questions",
    [
        pytest.param(QUESTIONS[:1], id="some"),
        pytest.param(QUESTIONS, id="all", marks=pytest.mark.full),
    ],
)
def test_server_directory_and_files_say_the_same(
    questions: tuple[tuple[str, ...], ...], tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    with running(folder, "--settle-after", "0.2", *KEEP) as server:
        url = ("--url", f"http://{server.web}")
        imported = longpole("import", *url, *map(str, FILES))
        assert imported.returncode == 0, imported.stderr
        eventually(lambda: server.get("/api/v1/status")["pending_traces"] == 0, 30)
        said = {question: asked(question, *url) for question in questions}
    for question, answer in said.items():
        assert answer, question
        assert asked(question, "--data-dir", str(folder)) == answer, question
        assert asked(question, *FROM_FILES) == answer, question
