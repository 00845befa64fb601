from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.analyzer.promql.numbers import sent
from longpole.analyzer.promql.series import Series, labels_of
from longpole.analyzer.promql.vectors import Vector
from longpole.grafana.prometheus import samples_json
from longpole.grafana.prometheus.asked import seconds, time_ms
from longpole.grafana.prometheus.escaped_names import unescaped


@given(st.lists(st.floats() | st.integers(-(2**60), 2**60).map(float), max_size=20))
def test_texts_of_a_row_are_the_texts_of_its_numbers(values: list[float]) -> None:
    found = samples_json.texts(np.array(values, np.float64))
    assert found == [sent(value).encode() for value in values]


@given(st.floats(allow_nan=False))
def test_a_text_reads_back_as_the_same_bits(value: float) -> None:
    text = samples_json.texts(np.array([value]))[0]
    assert struct.pack("d", float(text)) == struct.pack("d", value)


def test_absent_steps_are_left_out() -> None:
    times = np.array([1_500, 2_000, 3_025], np.int64)
    values = np.array([[1.0, 2.5, 1e21], [7.0, 8.0, 9.0], [1.0, 1.0, 1.0]])
    present = np.array([[True, False, True], [True, True, True], [False, False, False]])
    vector = Vector((labels_of({"a": '"'}), (), labels_of({"b": "c"})), values, present)
    assert b",".join(samples_json.matrix_entries(vector, times)) == (
        b'{"metric":{"a":"\\""},"values":[[1.500,"1"],[3.025,"1e+21"]]},'
        b'{"metric":{},"values":[[1.500,"7"],[2,"8"],[3.025,"9"]]}'
    )


@given(st.lists(st.integers(-(2**50), 2**50), min_size=1, max_size=9, unique=True))
def test_times_are_seconds_with_all_their_milliseconds(times: list[int]) -> None:
    series = Series((), np.array(times, np.int64), np.zeros(len(times)))
    (entry,) = samples_json.series_entries([series])
    assert [round(at * 1000) for at, _ in json.loads(entry)["values"]] == times


def test_whole_seconds_are_written_without_a_point() -> None:
    series = Series((), np.array([-60_000, 0, 1_600_000_000_000], np.int64), np.arange(3.0))
    (entry,) = samples_json.series_entries([series])
    assert entry == b'{"metric":{},"values":[[-60,"0"],[0,"1"],[1600000000,"2"]]}'


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("0", 0), ("1600000000.678", 1_600_000_000_678), ("1e3", 1_000_000), ("-1.5", -1500),
        ("2020-09-13T12:26:40Z", 1_600_000_000_000),
        ("2020-09-13T14:26:40.6789+02:00", 1_600_000_000_678),
        ("1969-12-31T23:59:59.5Z", -500),
    ],
)  # fmt: skip
def test_times_are_read_as_prometheus_reads_them(text: str, ms: int) -> None:
    assert time_ms(text) == ms


@pytest.mark.parametrize(
    "text", ["", "x", "nan", "2020-09-13", "2020-02-30T00:00:00Z", "1e99", "inf", "٣", "1_0", " 1"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="valid timestamp"):
        time_ms(text)


def test_durations_are_numbers_or_words() -> None:
    assert [seconds(text) for text in ("15", "0.5", "1h30m", "500ms", "-1")] == [
        15, 0.5, 5400, 0.5, -1,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("escaped", "name"),
    [
        ("job", "job"), ("U__http_2e_route", "http.route"), ("U__a__b", "a_b"), ("U__", ""),
        ("U___1f600_", "😀"), ("U__a_", "U__a_"), ("U__a_zz_", "U__a_zz_"),
        ("U___d800_", "U___d800_"), ("U___110000_", "U___110000_"),
    ],
)  # fmt: skip
def test_escaped_names_are_read(escaped: str, name: str) -> None:
    assert unescaped(escaped) == name
