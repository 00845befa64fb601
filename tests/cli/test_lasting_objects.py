"""What a start leaves behind is not searched for garbage any more."""

from __future__ import annotations

import gc
import weakref

from longpole.cli.lasting_objects import keep_what_is_loaded


class Loop:
    """Refers to itself, so that only a collection frees it."""

    def __init__(self) -> None:
        self.self = self


def test_only_what_comes_later_is_collected() -> None:
    kept = [[] for _ in range(1000)]  # type: list[list[int]]
    garbage = weakref.ref(Loop())
    try:
        keep_what_is_loaded()
        assert garbage() is None
        assert gc.get_freeze_count() > 1000
        assert not any(one is kept for one in gc.get_objects())
        later = weakref.ref(Loop())
        gc.collect()
        assert later() is None
    finally:
        gc.unfreeze()
