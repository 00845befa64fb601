"""F-KILL: a hundred times kill -9 at full rate. Goes on where an earlier run stopped.

Ten series of ten rounds. Each series that holds becomes a line of JSON in `kill.jsonl` below
`LONGPOLE_PROOF_DIR` (default `.proof`), with its seed; a series that is there is not run again.
Delete the file to begin anew.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.flow.test_kill import SETTINGS, kill_rounds

SERIES, ROUNDS = 10, 10
MOST_SPANS = 512
# A segment a second or two. With the thousand rows of the short form replaying makes thousands of
# files, since merges wait until it is over.
FULL_RATE = {**SETTINGS, "LONGPOLE_SEAL_ROWS": "20000"}
FIRST_SEED = 20_261_128


def results_file() -> Path:
    """Where results are kept."""
    default = Path(__file__).parents[2] / ".proof"
    return Path(os.environ.get("LONGPOLE_PROOF_DIR", default)) / "kill.jsonl"


def is_done(series: int) -> bool:
    """Whether an earlier run has the result."""
    try:
        lines = results_file().read_text().splitlines()
    except FileNotFoundError:
        return False
    return any(json.loads(line)["series"] == series for line in lines)


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("series", range(SERIES))
def test_ten_kills_at_full_rate_lose_and_double_nothing(tmp_path: Path, series: int) -> None:
    if is_done(series):
        return
    started = time.monotonic()
    # Raises when one acknowledged span is missing, or any is there twice.
    evidence = kill_rounds(
        tmp_path, ROUNDS, FIRST_SEED + series, most_spans=MOST_SPANS, pause_seconds=0.0,
        settings=FULL_RATE,
    )  # fmt: skip
    result = {
        "proof": "kill -9 at full rate",
        "series": series,
        "seed": FIRST_SEED + series,
        "rounds": ROUNDS,
        "lost_spans": 0,
        "doubled_spans": 0,
        "seconds": round(time.monotonic() - started, 1),
        **{name.replace(" ", "_"): count for name, count in sorted(evidence.items())},
    }
    results_file().parent.mkdir(parents=True, exist_ok=True)
    with results_file().open("a") as file:
        file.write(json.dumps(result) + "\n")


@pytest.mark.proof
def test_the_hundred_kills_hit_every_moment() -> None:
    lines = [json.loads(line) for line in results_file().read_text().splitlines()]
    assert sum(line["rounds"] for line in lines) >= SERIES * ROUNDS
    for moment in ("replay", "seal", "merge"):
        assert sum(line.get(f"killed_during_{moment}", 0) for line in lines) >= 5, moment
