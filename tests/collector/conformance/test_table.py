"""The table of docs/otlp-conformance.md and the tests name the same things."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE.parent.parent.parent / "docs" / "otlp-conformance.md"
# How many items each checklist has.
SIZES = {"C": 14, "G": 21, "H": 31, "J": 17, "D": 16}
LEVELS = {"M", "S", "Y", "P"}


def named_tests() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for module in HERE.glob("test_*.py"):
        names = re.findall(r"^def (test_(?:[CGHJD]\d{3}_)+\w+)", module.read_text(), re.M)
        for name in names:
            for item in re.findall(r"(?<=_)[CGHJD]\d{3}(?=_)", name):
                found.setdefault(item, set()).add(name)
    return found


def test_the_table_and_the_tests_agree() -> None:
    rows: dict[str, set[str]] = {}
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"[CGHJD]\d{3}", cells[0]):
            item, level, requirement, outcome, tests = cells
            assert level in LEVELS
            assert requirement
            assert outcome.startswith("passes") or level in {"P", "Y"}
            rows[item] = set(re.findall(r"`(\w+)`", tests))
    assert rows == named_tests()


def test_every_item_of_every_checklist_has_a_test() -> None:
    wanted = {f"{letter}{n:03}" for letter, size in SIZES.items() for n in range(1, size + 1)}
    assert set(named_tests()) == wanted
