from __future__ import annotations

import gc

import pytest

from longpole.analyzer.garbage_pause import BIG, garbage_pause


def test_the_collector_rests_for_big_traces_and_is_on_again_after_a_failure() -> None:
    assert gc.isenabled()
    with pytest.raises(KeyError), garbage_pause(BIG):  # noqa: PT012
        assert not gc.isenabled()
        with garbage_pause(BIG):
            pass
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()


def test_small_traces_leave_the_collector_alone() -> None:
    with garbage_pause(BIG - 1):
        assert gc.isenabled()


def test_a_collector_that_is_off_stays_off() -> None:
    gc.disable()
    try:
        with garbage_pause(BIG):
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
