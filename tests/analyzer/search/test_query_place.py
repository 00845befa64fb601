"""Where a cursor in a query is, and what may stand there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.analyzer.search.query_place import Expects, field_of, place_at
from longpole.model.query import Field

# The cursor is at the bar.
PLACES = [
    ("|", "field", ""),
    ("car|", "field", "car"),
    ("{|", "field", ""),
    ("{ |", "field", ""),
    ("{ resource.ser|vice.name", "field", "resource.ser"),
    ("{ name |", "comparison", ""),
    ("{ name !|", "comparison", "!"),
    ("{ name =|", "value", ""),
    ("{ name = |", "value", ""),
    ('{ name = "GE|T /"', "value", '"GE'),
    ('{ name = "GET /"|', "join", ""),
    ('{ name = "GET /" |', "join", ""),
    ('{ name = "GET /" &|', "join", "&"),
    ('{ name = "GET /" && |', "field", ""),
    ('{ name = "a && b|', "value", '"a && b'),
    ('{ span."odd key" |', "comparison", ""),
    ("{ duration > 10|0ms && kind", "value", "10"),
    ("{ status = error } |", "nothing", ""),
    ("|{ name", "nothing", ""),
]


@pytest.mark.parametrize(("text", "expects", "written"), PLACES)
def test_what_a_place_expects(text: str, expects: str, written: str) -> None:
    cursor = text.index("|")
    place = place_at(text.replace("|", "", 1), cursor)
    assert (place.expects.value, place.written) == (expects, written)


def test_what_is_replaced_reaches_to_the_end_of_the_word() -> None:
    place = place_at("{ resource.service.name = 1 }", 5)
    assert (place.begin, place.end) == (2, 23)
    value = place_at('{ name = "GET /" && x', 12)
    assert (value.begin, value.end, value.field, value.comparison) == (9, 16, "name", "=")


def test_a_text_without_a_brace_is_opened_first() -> None:
    assert not place_at("name", 4).has_brace
    assert place_at("{name", 5).has_brace


@given(st.text(alphabet='{}"`&|=<>!~ .ab1\\\n', max_size=60), st.integers(-3, 70))
def test_no_text_and_no_cursor_is_too_odd(text: str, cursor: int) -> None:
    place = place_at(text, cursor)
    assert 0 <= place.begin <= place.end <= len(text)
    assert place.expects in Expects


def test_a_field_is_known_by_every_spelling() -> None:
    assert field_of("duration") == (Field.DURATION, "")
    assert field_of("rootServiceName") == (Field.ROOT_SERVICE, "")
    assert field_of("status") == (Field.STATUS, "")
    assert field_of("trace:id") == (Field.TRACE_ID, "")
    assert field_of("span:id") == (Field.SPAN_ID, "")
    assert field_of('span."odd key"') == (Field.SPAN_ATTRIBUTE, "odd key")
    assert field_of(".http.route") == (Field.ANY_ATTRIBUTE, "http.route")
    assert field_of("nonsense") is None
