"""The catalog in memory answers as every catalog promises."""

from __future__ import annotations

import numpy as np
import pytest

from longpole.analyzer.promql.catalog import Exemplar, SeriesExemplars
from longpole.analyzer.promql.expressions import Matcher, MatchOp
from longpole.analyzer.promql.memory_catalog import MemoryCatalog
from longpole.analyzer.promql.refusals import TooMuch
from longpole.analyzer.promql.series import Series, labels_of

UP = labels_of({"__name__": "up", "job": "shop/cart"})
DOWN = labels_of({"__name__": "up", "job": "shop/search"})
EVERYTHING = (Matcher("__name__", MatchOp.EQUAL, "up"),)


def _series(labels: tuple[tuple[str, str], ...], *samples: tuple[int, float]) -> Series:
    times, values = zip(*samples, strict=True)
    return Series(labels, np.array(times, np.int64), np.array(values, np.float64))


def test_a_range_is_open_on_the_left_and_series_without_a_sample_in_it_are_left_out() -> None:
    catalog = MemoryCatalog([_series(DOWN, (1000, 1.0)), _series(UP, (1000, 1.0), (2000, 0.0))])

    (found,) = catalog.select(EVERYTHING, 1000, 2000, 10)

    assert (found.labels, list(found.times_ms)) == (UP, [2000])
    assert catalog.series(EVERYTHING, 0, 1000, 0) == [UP, DOWN]
    assert catalog.label_values("job", EVERYTHING, 0, 2000, 1) == ["shop/cart"]
    assert catalog.label_names((), 0, 2000, 0) == ["__name__", "job"]


def test_samples_that_come_later_are_put_in_order() -> None:
    catalog = MemoryCatalog([_series(UP, (2000, 1.0), (3000, 1.0))])

    catalog.add([_series(UP, (1000, 5.0), (3000, 7.0))])

    (found,) = catalog.select(EVERYTHING, 0, 9000, 10)
    assert (list(found.times_ms), list(found.values)) == ([1000, 2000, 3000], [5.0, 1.0, 7.0])


def test_more_samples_than_allowed_are_refused() -> None:
    catalog = MemoryCatalog([_series(UP, (1, 1.0), (2, 1.0)), _series(DOWN, (1, 1.0))])

    with pytest.raises(TooMuch, match="more than 2 samples"):
        catalog.select(EVERYTHING, 0, 9, 2)


def test_exemplars_outside_of_the_time_are_left_out() -> None:
    near, far = (Exemplar(labels_of({"trace_id": "ab"}), 1.0, at) for at in (5, 50))
    catalog = MemoryCatalog(exemplars=[SeriesExemplars(UP, (far, near))])

    assert catalog.exemplars(EVERYTHING, 0, 10) == [SeriesExemplars(UP, (near,))]
    assert catalog.exemplars(EVERYTHING, 10, 20) == []
