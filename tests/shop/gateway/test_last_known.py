"""Last known answers: which are remembered when there is no room for all."""

from __future__ import annotations

from shop.gateway.last_known import LastKnown


def test_the_longest_unused_is_forgotten_be_it_written_or_read_last() -> None:
    known: LastKnown[int] = LastKnown(most_keys=2)
    known.keep("read", 1)
    known.keep("only written", 2)
    assert known.get("read") == 1
    known.keep("new", 3)
    assert [known.get(key) for key in ("read", "only written", "new")] == [1, None, 3]


def test_the_last_answer_for_a_key_is_the_one_that_is_known() -> None:
    known: LastKnown[int] = LastKnown()
    assert known.get("user-1") is None
    assert known.keep("user-1", 1) == 1
    known.keep("user-1", 2)
    assert known.get("user-1") == 2
