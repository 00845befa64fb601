"""The filter of trace ids: it knows every id it was made of and answers one as it does many."""

from __future__ import annotations

import numpy as np
import pytest

from longpole.storage.duckdb.bloom import Bloom


@pytest.mark.parametrize("held", [0, 1, 60, 700])
def test_one_id_is_answered_as_among_many_and_no_held_id_is_missed(held: int) -> None:
    draw = np.random.default_rng(held)
    hi, lo = draw.integers(0, (1 << 64) - 1, (2, 1400), np.uint64, endpoint=True)
    hi[:2], lo[:2] = (0, (1 << 64) - 1), ((1 << 64) - 1, 0)
    bloom = Bloom.of(hi[:held], lo[:held])
    among_many = bloom.contains(hi, lo)
    assert among_many[:held].all()
    assert among_many[held:].mean() < 0.05
    alone = [bloom.contains(hi[i : i + 1], lo[i : i + 1])[0] for i in range(hi.size)]
    assert alone == among_many.tolist()
    ids = [int(high) << 64 | int(low) for high, low in zip(hi, lo, strict=True)]
    assert [bloom.may_contain(trace_id) for trace_id in ids] == alone
