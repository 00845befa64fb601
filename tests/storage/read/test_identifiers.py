from __future__ import annotations

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.storage.duckdb.read.identifiers import quote_identifier, quote_literal

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ['"', "'", '";--', "\0", "a\0b", "K", "k", "İ", "x'||chr(0)||'", "\\", "$1", "?"]
)


@settings(deadline=None)
@given(KEYS)
def test_a_quoted_literal_equals_its_text(text: str) -> None:
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT {quote_literal(text)}").fetchall()
    assert rows == [(text,)]


@settings(deadline=None)
@given(KEYS)
def test_a_quoted_identifier_stays_one_name(name: str) -> None:
    with duckdb.connect() as connection:
        columns = connection.execute(f"SELECT 1 AS {quote_identifier(name)}, 2 AS two").description
    assert columns is not None
    assert [column[0] for column in columns] == [name.replace("\0", "\u2400") or "?", "two"]
