from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.storage.duckdb.read.identifiers import quote_identifier, quote_literal

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ['"', "'", '";--', "\0", "a\0b", "K", "k", "İ", "x'||chr(0)||'", "\\", "$1", "?"]
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@settings(deadline=None)
@given(text=KEYS)
def test_a_quoted_literal_equals_its_text(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    assert connection.execute(f"SELECT {quote_literal(text)}").fetchall() == [(text,)]


@settings(deadline=None)
@given(name=KEYS)
def test_a_quoted_identifier_stays_one_name(
    connection: duckdb.DuckDBPyConnection, name: str
) -> None:
    columns = connection.execute(f"SELECT 1 AS {quote_identifier(name)}, 2 AS two").description
    assert columns is not None
    assert [column[0] for column in columns] == [name.replace("\0", "\u2400") or "?", "two"]
