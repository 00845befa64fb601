"""Pending ids are the same set, packed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from longpole.storage.duckdb.pending_ids import PackedIds, PendingIds

ids = st.integers(0, 5) | st.integers(0, 2**128 - 1)


@given(st.lists(st.tuples(st.booleans(), ids)))
def test_what_was_added_and_not_taken_out_is_in_there_once(steps: list[tuple[bool, int]]) -> None:
    packed, plain = PackedIds(), set[int]()
    for is_added, trace_id in steps:
        if not is_added:
            packed.discard(trace_id)
            plain.discard(trace_id)
        elif trace_id not in plain:
            packed.add(trace_id)
            plain.add(trace_id)
    taken = packed.taken()
    assert sorted(taken) == sorted(plain)
    assert len(taken) == len(plain)
    assert all(trace_id in taken for trace_id in plain)


def test_ids_that_share_a_half_are_told_apart_and_later_ones_do_not_come_in() -> None:
    packed = PackedIds()
    packed.add(1 << 64 | 2)
    taken = packed.taken()
    packed.add(3)
    assert (1 << 64 | 2) in taken
    assert not any(other in taken for other in (2, 1 << 64, 3, "3"))
    assert not PendingIds()
