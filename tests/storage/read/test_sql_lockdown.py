from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from longpole.storage.duckdb.read.question import VIEWS
from longpole.storage.duckdb.read.sql_reader import run_sql
from longpole.storage.ports import QueryRefused, QueryTimedOut, SqlAnswer
from tests.storage.read.segment_files import HandMadeSource

ATTACKS = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_json('x.json')",
    "SELECT * FROM read_parquet('x.parquet')",
    "SELECT * FROM parquet_metadata('x.parquet')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 'segment.duckdb'",
    'SELECT * FROM "https://example.com/x.csv"',
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "WITH a AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM a",
    "SELECT * FROM spans WHERE EXISTS (SELECT 1 FROM read_text('/etc/passwd'))",
    "COPY spans TO 'out.csv'",
    "COPY (SELECT 1) TO 'out.csv'",
    "EXPORT DATABASE 'out'",
    "ATTACH 'other.duckdb' AS other",
    "DETACH seg_1",
    "USE seg_1",
    "PRAGMA database_list",
    "SET threads = 1",
    "RESET lock_configuration",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CALL pragma_version()",
    "CREATE TABLE t AS SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    "CREATE MACRO m(a) AS a",
    "INSERT INTO seg_1.main.spans SELECT * FROM seg_1.main.spans",
    "DELETE FROM seg_1.main.spans",
    "UPDATE spans SET name = ''",
    "DROP VIEW spans",
    "CHECKPOINT",
    "BEGIN",
    "EXPLAIN ANALYZE SELECT 1",
    "EXPLAIN /* */ ANALYZE SELECT 1",
    "EXPLAIN (FORMAT json) SELECT 1",
    "EXPLAIN (ANALYZE) SELECT 1",
    "EXPLAIN SELECT 1; DROP VIEW spans",
    "EXPLAIN SELECT * FROM read_text('/etc/passwd')",
    "EXPLAIN EXPLAIN SELECT 1",
    "EXPLAIN COPY spans TO 'out.csv'",
    "EXPLAIN",
    "-- comment\nATTACH 'other.duckdb' AS other",
    "PREPARE p AS SELECT 1",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW spans",
    "SELECT * FROM seg_1.main.spans",
    "SELECT * FROM seg_1.spans",
    "SELECT * FROM memory.main.spans",
    "SELECT * FROM longpole_hot_spans",
    "SELECT * FROM duckdb_databases()",
    "SELECT * FROM duckdb_databases",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_views()",
    "SELECT * FROM pragma_database_list()",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM pg_catalog.pg_tables",
    "SELECT * FROM pg_tables",
    "WITH duckdb_databases AS (SELECT * FROM duckdb_databases) SELECT * FROM duckdb_databases",
    "SELECT (WITH pg_tables AS (SELECT 1) SELECT 1), * FROM pg_tables",
    "SELECT * FROM query('SELECT * FROM duckdb_databases()')",
    "SELECT * FROM query_table('longpole_hot_spans')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT current_setting('temp_directory')",
    "SELECT getenv('HOME')",
    "SELECT pg_get_viewdef(1)",
    "SELECT * FROM source",
    "SELECT * FROM sql_auto_complete('SEL')",
    "DESCRIBE duckdb_databases",
    "DESCRIBE seg_1.main.spans",
    "SUMMARIZE longpole_hot_spans",
    "SHOW DATABASES",
    "SHOW ALL TABLES FROM seg_1",
    "PIVOT spans ON name",
    "SELECT",
    "",
    ";",
    "SELECT 1 \0",
    "SELECT " + "(" * 5000 + "1",
    "SELECT " + "[" * 101 + "]" * 101,
    "SELECT " + "1 + " * 50_000 + "1",
    "SELECT attr(name) FROM spans",
    "SELECT attr('a', 'b') FROM spans",
    "SELECT attr('a') FROM traces",
    "SELECT no_such_function(1)",
    "SELECT no_such_column FROM traces",
    "SELECT regexp_matches('a', 'a(')",
    "SELECT 1::INTEGER / 'x'::INTEGER",
]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> HandMadeSource:
    """For all of them: whoever changes it is found out by the first test."""
    source = HandMadeSource(tmp_path_factory.mktemp("locked"))
    source.add_segment(spans=[{"row_id": 1, "trace_lo": 1, "span_id": 1, "name": "op"}])
    return source


def ask(source: HandMadeSource, text: str, rows: int = 100, seconds: float = 20.0) -> SqlAnswer:
    return run_sql(source, text, rows, seconds, 256 << 20, 2)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda text: text[:60] or "nothing")
def test_an_attack_is_refused_with_a_message(source: HandMadeSource, attack: str) -> None:
    before = source.segments[0].path.read_bytes()
    with pytest.raises(QueryRefused) as refused:
        ask(source, attack)
    assert str(source.folder) not in str(refused.value)
    assert str(refused.value)
    assert source.segments[0].path.read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "select count(*) from Spans;",
        "VALUES (1), (2)",
        "FROM spans",
        "WITH a AS (SELECT * FROM spans), b AS (SELECT * FROM a) SELECT count(*) FROM b",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) FROM t",
        "DESCRIBE spans",
        "SUMMARIZE traces",
        "SELECT range FROM range(3) JOIN spans ON true",
        "SELECT s.name, t.duration_ns FROM spans s LEFT JOIN traces t USING (trace_id)",
        "SELECT name FROM spans UNION ALL SELECT detector FROM findings",
        "SELECT name, row_number() OVER (ORDER BY start_unix_nano) FROM spans",
        "SELECT list_transform([1, 2], lambda x: x + 1)",
    ],
)
def test_an_honest_question_is_answered(source: HandMadeSource, text: str) -> None:
    answer = ask(source, text)
    assert answer.rows.num_columns > 0
    assert answer.notices == ()


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_answers_when_it_is_empty(tmp_path: Path, view: str) -> None:
    source = HandMadeSource(tmp_path)
    assert ask(source, f"SELECT * FROM {view}").rows.num_rows == 0


def test_a_refusal_names_what_can_be_asked_instead(source: HandMadeSource) -> None:
    for text in ("PIVOT spans ON name", "EXPLAIN ANALYZE SELECT 1"):
        with pytest.raises(QueryRefused, match="EXPLAIN ANALYZE would run .* PIVOT needs"):
            ask(source, text)
    answer = ask(source, "PIVOT spans ON name IN ('op') USING count(*) GROUP BY kind")
    assert answer.rows.to_pylist() == [{"kind": 0, "op": 1}]


def test_an_error_inside_duckdb_shows_no_stack(source: HandMadeSource) -> None:
    with pytest.raises(QueryRefused) as refused:
        ask(source, "SELECT error('Stack Trace: /home/secret')")
    assert "/home" not in str(refused.value)


def test_show_tables_lists_the_views_only(source: HandMadeSource) -> None:
    assert ask(source, "SHOW TABLES").rows["name"].to_pylist() == list(VIEWS)


def test_a_long_answer_is_cut_and_says_so(source: HandMadeSource) -> None:
    answer = ask(source, "SELECT * FROM range(1000000)", rows=10)
    assert (answer.rows.num_rows, answer.is_truncated) == (10, True)
    answer = ask(source, "SELECT * FROM range(10)", rows=10)
    assert (answer.rows.num_rows, answer.is_truncated) == (10, False)


def test_a_slow_question_is_stopped(source: HandMadeSource) -> None:
    start = time.monotonic()
    with pytest.raises(QueryTimedOut):
        ask(source, "SELECT count(*) FROM range(100000000000) WHERE range % 7 = 3", seconds=0.3)
    assert time.monotonic() - start < 10


def test_deep_nesting_ends_in_an_answer_or_a_refusal(source: HandMadeSource) -> None:
    for deep in ("(" * 90 + "1" + ")" * 90, "-" + " -" * 5000 + "1", "NOT " * 5000 + "true"):
        with contextlib.suppress(QueryRefused):
            assert ask(source, f"SELECT {deep}").rows.num_rows == 1


def test_the_memory_of_one_question_is_bounded(source: HandMadeSource) -> None:
    with pytest.raises(QueryRefused, match="(?i)memory"):
        ask(source, "SELECT count(*) FROM (SELECT DISTINCT range FROM range(1000000000))")
