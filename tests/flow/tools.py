"""Outside programs that tests need, and what happens when one is missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def requires(program: str, *paths: Path) -> None:
    """Skip the test when a program or a file is missing; where CI is set, fail instead."""
    missing = [] if shutil.which(program) else [program]
    missing += [path.name for path in paths if not path.exists()]
    if not missing:
        return
    message = f"{', '.join(missing)} is missing: run `make tools`"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
