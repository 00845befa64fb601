"""A process that checks an order out and is killed at a step or an undo, to test recovery.

`python dying_checkout.py FOLDER STEP`: prints the step when it gets there and then stands still.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from shop.chassis.errors import DependencyError
from tests.shop.order.world import REQUEST, STEPS, Scene


def main() -> None:
    """Never returns: somebody has to kill it."""
    shop = Scene(Path(sys.argv[1]))
    step = sys.argv[2]

    def stand_still() -> None:
        print(step, flush=True)
        threading.Event().wait()

    shop.world.before[step] = stand_still
    if step not in STEPS:
        shop.world.fails["ship"] = DependencyError("shipping-service", "no carrier")
    shop.logic.checkout("user-1", REQUEST, "key-1")


main()
