"""A pause of the garbage collector while one big trace is analysed."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

BIG = 20_000  # spans; below, the collector has next to nothing to do


@contextmanager
def garbage_pause(spans: int) -> Iterator[None]:
    """No collections inside, if there are many spans and the collector is on; it is on again
    afterwards whatever happens.

    The analysis makes hundreds of thousands of tuples that all live until its end and form no
    cycles; going through them again and again takes up to half of its time. Whoever switched
    the collector off switches it on, so threads that analyse at the same time do not disturb
    each other beyond collecting a little late.
    """
    if spans < BIG or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
