"""`python -m shop openapi`: the contracts of the services, checked or written."""

from __future__ import annotations

import sys
from pathlib import Path

from shop.openapi import check, write


def openapi(is_written: bool, folder: Path) -> int:
    """Check the files, or write what grew. 1 when files and code disagree, or when a change would
    break clients."""
    words = write(folder) if is_written else check(folder)
    for each in words:
        print(each, file=sys.stderr)
    if words:
        print(
            "routes and fields may be added; for anything else begin a new version of the route"
            if is_written
            else "python -m shop openapi --write keeps what was added",
            file=sys.stderr,
        )
        return 1
    return 0
