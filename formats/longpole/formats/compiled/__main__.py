"""`python -m longpole.formats.compiled` fills the cache of compiled code, at low priority."""

from __future__ import annotations

import sys

from longpole.formats.compiled.readiness import load
from longpole.model.readiness import step_back


def main() -> int:
    """Compile whatever is not cached yet; 0 once it is."""
    step_back()
    load()
    return 0


if __name__ == "__main__":
    sys.exit(main())
