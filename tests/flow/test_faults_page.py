"""docs/faults.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_page_of_faults_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "docs/faults.md").read_text())
    assert len(named) > 40
    for file, test in named:
        assert (ROOT / file).is_file(), file
        assert f"def {test}" in (ROOT / file).read_text(), (file, test)
