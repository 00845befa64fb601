"""`python -m longpole.analyzer.columnar` fills the cache of compiled code, at low priority."""

from __future__ import annotations

import os
import sys

LOWEST_PRIORITY = 19


def main() -> int:
    """Compile whatever is not cached yet; 0 once it is."""
    if hasattr(os, "nice"):
        os.nice(LOWEST_PRIORITY)
    from longpole.analyzer.columnar.loops import compile_all

    compile_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
