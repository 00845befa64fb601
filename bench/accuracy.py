"""How often the first thing that Longpole says is true, measured on the sample shop.

    python bench/accuracy.py record              every fault, ten seeds; goes on where it stopped
    python bench/accuracy.py evaluate            what is said of the recordings; needs no shop
    python bench/accuracy.py evaluate --write    the same, into docs/accuracy.md

`record` runs one started shop for each seed, about ten minutes each. `evaluate` prints one JSON
line for each recording and a summary, and exits with 1 if any fault is right less than nine times
of ten or a healthy minute has a warning.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
import textwrap
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.shop_recordings.accuracy_page import GATE, accuracy_page
from bench.shop_recordings.judging import Judged, judged
from bench.shop_recordings.recording import HEALTHY, faults, record_seed

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "accuracy.md"


def seeds_of(text: str) -> range:
    """`3` or `1-10`."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def evaluate(folder: Path, seeds: range, only: list[str]) -> list[Judged]:
    """Everything that is recorded whole, seed by seed."""
    rows = faults()
    results = []
    for seed in seeds:
        for name in (HEALTHY, *rows):
            at = folder / f"seed-{seed}" / name
            if (only and name not in only) or not (at / "label.json").exists():
                continue
            result = judged(at, rows.get(name))
            print(json.dumps({**asdict(result), "is_right": result.is_right}), flush=True)
            results.append(result)
    return results


def summary(results: list[Judged]) -> dict[str, str]:
    """Right of all, by fault; of healthy minutes, those without a warning."""
    tally: dict[str, list[bool]] = {}
    for one in results:
        is_good = one.warnings == 0 if one.fault == HEALTHY else one.is_right
        tally.setdefault(one.fault, []).append(is_good)
    return {name: f"{sum(good)}/{len(good)}" for name, good in sorted(tally.items())}


def is_passed(results: list[Judged]) -> bool:
    """Whether every fault is found often enough and nothing healthy is warned of."""
    for name in {one.fault for one in results}:
        of_name = [one for one in results if one.fault == name]
        if name == HEALTHY:
            if any(one.warnings for one in of_name):
                return False
        elif sum(one.is_right for one in of_name) < GATE * len(of_name):
            return False
    return bool(results)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    record = commands.add_parser("record", help="run the shop through all faults")
    again = commands.add_parser("evaluate", help="judge what is recorded")
    for command in (record, again):
        command.add_argument("--recordings", type=Path, default=ROOT / ".recordings")
        command.add_argument("--seeds", type=seeds_of, default="1-10", help="3 or 1-10")
    record.add_argument("--rate", type=float, default=6.0, help="customers' journeys a second")
    again.add_argument("--only", action="append", default=[], help="this fault alone")
    again.add_argument("--write", action="store_true", help="write docs/accuracy.md")
    again.add_argument("--note", default="", help="a sentence for the page, on how it was measured")
    given = parser.parse_args()
    if given.command == "record":
        # A shop that goes on alone would slow everything down that is measured afterwards.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        for seed in given.seeds:
            record_seed(given.recordings / f"seed-{seed}", seed, given.rate)
        return 0
    results = evaluate(given.recordings, given.seeds, given.only)
    print(json.dumps(summary(results)), flush=True)
    if given.write:
        when = datetime.now(UTC).strftime("%Y-%m-%d")
        where = f"{platform.machine()}, Python {platform.python_version()}"
        words = f"Measured {when} on {where}, two cores. {given.note}".rstrip()
        PAGE.write_text(accuracy_page(results, textwrap.fill(words, 98)))
    return 0 if is_passed(results) else 1


if __name__ == "__main__":
    sys.exit(main())
