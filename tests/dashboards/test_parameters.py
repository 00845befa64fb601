"""What a parameter may say, and what it then means."""

from __future__ import annotations

import pytest

from longpole.analyzer.traceql import QuerySyntaxError
from longpole.dashboards.errors import BadQuestion
from longpole.dashboards.parameters import duration_ns, moment, query
from longpole.model.clock import ManualClock
from longpole.model.query import Comparison, Condition, Field

SECOND = 1_767_323_045


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1767323045", SECOND * 10**9),
        ("1767323045123", SECOND * 10**9 + 123_000_000),
        ("1767323045123456", SECOND * 10**9 + 123_456_000),
        ("1767323045123456789", SECOND * 10**9 + 123_456_789),
        ("0", 0),
        ("2026-01-02T03:04:05Z", SECOND * 10**9),
        ("2026-01-02T04:04:05+01:00", SECOND * 10**9),
        ("2026-01-02 03:04:05.123456", SECOND * 10**9 + 123_456_000),
    ],
)
def test_moments_come_in_every_usual_form(text: str, expected: int) -> None:
    assert moment(text, "from", ManualClock()) == expected


@pytest.mark.parametrize(
    ("text", "unix_nano"),
    [
        ("1795863270.428", 1_795_863_270_428_000_000),
        ("1795863270.1234567891", 1_795_863_270_123_456_789),
        ("0.5", 500_000_000),
    ],
)
def test_unix_seconds_may_have_a_fraction(text: str, unix_nano: int) -> None:
    assert moment(text, "from", ManualClock()) == unix_nano


@pytest.mark.parametrize("text", ["1795863270.", ".5", "1.5e9", "99999999999.5"])
def test_what_only_resembles_a_fraction_is_refused(text: str) -> None:
    with pytest.raises(BadQuestion, match="is no time"):
        moment(text, "from", ManualClock())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("now", 0), ("now-12h", -12 * 3600), ("now-1d", -86_400), ("now+5m", 300), ("now 5m", 300),
     (" now - 90s ", -90)],
)  # fmt: skip
def test_moments_may_be_relative_to_now(text: str, seconds: int) -> None:
    clock = ManualClock()
    assert moment(text, "from", clock) == clock.now_unix_nano() + seconds * 10**9


@pytest.mark.parametrize("text", ["now-", "now-1d/d", "now/d", "now-5", "now--5m", "nowadays"])
def test_what_is_no_time_relative_to_now_is_refused(text: str) -> None:
    with pytest.raises(BadQuestion, match="from:"):
        moment(text, "from", ManualClock())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.5s", 1_500_000_000), ("200ms", 200_000_000), ("10us", 10_000), ("10 µs", 10_000),
     ("17ns", 17), ("2h", 7200 * 10**9), ("0s", 0)],
)  # fmt: skip
def test_durations_carry_their_unit(text: str, expected: int) -> None:
    assert duration_ns(text, "x") == expected


@pytest.mark.parametrize(
    "text", ["5", "s", "-1s", "1e3s", "1 parsec", "٣s", "1" * 30 + "s", "9" * 18 + "d"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadQuestion, match="x:"):
        duration_ns(text, "x")


def test_attributes_compare_by_the_type_they_are_written_in() -> None:
    pairs = ["a=1", "b=1.5", "c=true", 'd="1"', "e=x=y", "f=-3", "g="]
    found = query({"attr": pairs}, ManualClock()).conditions
    values: dict[str, str | int | float | bool] = {
        "a": 1,
        "b": 1.5,
        "c": True,
        "d": "1",
        "e": "x=y",
        "f": -3,
        "g": "",
    }
    assert found == tuple(
        Condition(Field.ANY_ATTRIBUTE, Comparison.EQ, value, key) for key, value in values.items()
    )


def test_since_counts_back_from_the_clock() -> None:
    clock = ManualClock()
    asked = query({"since": ["1h"]}, clock)
    assert asked.time.start_unix_nano == clock.now_unix_nano() - 3600 * 10**9
    assert asked.time.end_unix_nano == 2**63 - 1


def test_an_id_is_compared_as_it_is_stored() -> None:
    (condition,) = query({"trace": ["ABCDEF0123456789"]}, ManualClock()).conditions
    assert condition.value == "0000000000000000abcdef0123456789"


def test_times_stay_within_64_bits() -> None:
    assert moment("9999-12-31T23:59:59Z", "to", ManualClock()) == 2**63 - 1
    assert moment("0001-01-01T00:00:00Z", "from", ManualClock()) == -(2**63)
    with pytest.raises(BadQuestion, match="2262"):
        moment("9999999999999999999", "to", ManualClock())


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("cart", 'Did you mean { resource.service.name = "cart" } ?'),
        (" cart-svc ", 'Did you mean { resource.service.name = "cart-svc" } ?'),
        ("AB" * 16, f"longpole trace {'AB' * 16}"),
        ("0123456789abcdef", "longpole trace 0123456789abcdef"),
        ("duration > 1s", "Did you mean { duration > 1s } ?"),
        ('name="a" && status=error', 'Did you mean { name="a" && status=error } ?'),
    ],
)
def test_what_is_no_query_is_answered_with_what_was_meant(text: str, meant: str) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        query({"q": [text]}, ManualClock())
    assert str(caught.value).endswith(meant)
    assert caught.value.position == len(text) - len(text.lstrip())


@pytest.mark.parametrize("text", ["{ nope }", "slow things", "}", "{", "x" * 5000])
def test_nothing_is_suggested_when_nothing_fits(text: str) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        query({"q": [text]}, ManualClock())
    assert "Did you mean" not in str(caught.value)
