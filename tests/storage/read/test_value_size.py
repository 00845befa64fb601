"""No single value of a query may outgrow the limits that DuckDB keeps by itself."""

from __future__ import annotations

import contextlib
import resource
import time

import pytest

from longpole.storage.duckdb.read.sql_reader import MAX_ANSWER_BYTES, run_sql
from longpole.storage.ports import QueryRefused, QueryTimedOut, SqlAnswer
from tests.storage.read.segment_files import HandMadeSource

SECONDS = 3.0
GIB_IN_KIB = 1 << 20

# Each of these took gigabytes, or went on long after the time limit.
HUGE = [
    "SELECT range(200000000)",
    "SELECT generate_series(1, 200000000)",
    "SELECT range(0, -200000000, -1)",
    "SELECT len(range(CAST(2e8 AS BIGINT)))",
    "SELECT sum(len(range(20000000 + range))) FROM range(10)",
    "SELECT range(TIMESTAMP '1970-01-01', TIMESTAMP '2030-01-01', INTERVAL 1 SECOND)",
    "FROM unnest(range(200000000))",
    "SELECT unnest(range(200000000))",
    "SELECT repeat('a', 1000000000)",
    "SELECT repeat([1], 200000000)",
    "SELECT repeat(repeat('a', 10000), 10000)",
    "SELECT length(lpad('a', 1000000000, 'b'))",
    "SELECT length(rpad(name, 1000000000, 'b')) FROM spans",
    "SELECT len(list_resize([1], 200000000, 2))",
    "SELECT len(array_resize([1], 200000000, 2))",
    "SELECT length(printf('%1000000000d', 1))",
    "SELECT length(format('{:1000000000d}', 1))",
    "SELECT length(format('{:{}d}', 1, 1000000000))",
    "SELECT length(printf('%*d', 1000000000, 1))",
    "SELECT bit_length(bitstring('1', 2000000000))",
    "SELECT reservoir_quantile(range, 0.5, 1000000000) FROM range(1000)",
    f"SELECT length(replace('{'a' * 45_000}', 'a', '{'b' * 45_000}'))",
    f"SELECT length(regexp_replace('{'a' * 45_000}', 'a', '{'b' * 45_000}', 'g'))",
    f"SELECT length(array_to_string(list(range::VARCHAR), '{'b' * 90_000}')) FROM range(90000)",
    f"SELECT levenshtein('{'a' * 45_000}', '{'b' * 45_000}')",
    f"SELECT damerau_levenshtein('{'a' * 45_000}', '{'b' * 45_000}')",
    f"SELECT json_pretty('{'[' * 45_000}{']' * 45_000}')",
    f"SELECT json_serialize_sql('SELECT {'(' * 5000}1')",
    f"SELECT length({'hex(' * 30}name{')' * 30}) FROM spans",
    f"SELECT length({'bin(' * 11}name{')' * 11}) FROM spans",
    f"SELECT length({'to_json(' * 30}name{')' * 30}) FROM spans",
    f"SELECT length({'url_encode(' * 20}'%'{')' * 20})",
    f"SELECT len(s) FROM {'(SELECT s || s AS s FROM ' * 29}(SELECT name AS s FROM spans){')' * 29}",
    "WITH " + ", ".join(
        f"c{n + 1} AS (SELECT s || s AS s FROM {f'c{n}' if n else '(SELECT name AS s FROM spans)'})"
        for n in range(31)
    ) + " SELECT length(s) FROM c31",
    "SELECT name || name AS a0, "
    + ", ".join(f"a{n} || a{n} AS a{n + 1}" for n in range(30)) + " FROM spans",
    "SELECT len(list_transform(l, lambda x: l)) FROM (SELECT list(range) l FROM range(30000))",
    "SELECT list_transform(range(9000), lambda x: list_transform(range(9000), lambda y: [x, y]))",
    "SELECT [[x, y] FOR x IN range(9000) FOR y IN range(9000)]",
    "SELECT len(list_reduce(['a', 'b', 'c', 'd'], lambda a, b: a || a || b))",
    f"SELECT {', '.join(f'range({n})' for n in range(16000, 16060))} FROM range(1000000)",
    f"SELECT {', '.join(f'len(repeat(name, {n}))' for n in range(9000, 9200))} FROM spans",
    "SELECT "
    + ", ".join(f"len(format('{{:900d}}', range + {n}))" for n in range(900))
    + " FROM range(1000000)",
    "SELECT NULL::INTEGER[99999][99999]",
    "SELECT count(*) FROM range(3) t, range(t.range * 100000000000)",
    "SELECT length(string_agg(range::VARCHAR, ',')) FROM range(1000000000)",
    "SELECT max(len(l)) FROM (SELECT list(range) OVER (ORDER BY range) l FROM range(100000))",
    "SELECT histogram(range) FROM range(100000000)",
    "SELECT count(*) FROM range(1000000000) a, range(1000000000) b",
    "WITH RECURSIVE t AS (SELECT 'aa' s UNION ALL SELECT s || s FROM t) SELECT max(len(s)) FROM t",
    "WITH RECURSIVE t AS (SELECT 1 n UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
]  # fmt: skip

MODEST = [
    "SELECT range(5), generate_series(1, 10, 2), range(10, 0, -1)",
    "SELECT repeat('-', 40) || lpad(name, 20, ' ') || rpad(name, 20, ' ') FROM spans",
    "SELECT printf('%8.2f ms', duration_ns / 1e6), format('{:>10}', name) FROM spans",
    "SELECT strftime(to_timestamp(start_unix_nano / 1e9), '%Y-%m-%d %H:%M:%S.%f') FROM spans",
    "SELECT bar(duration_ns, 0, 100), bar(duration_ns, 0, 100, 40) FROM spans",
    "SELECT replace(replace(name, '/', '_'), ' ', '') AS a FROM spans GROUP BY a",
    "SELECT regexp_replace(name, '[0-9]+', '{id}', 'g') FROM spans",
    "SELECT levenshtein(name, 'checkout') FROM spans",
    "SELECT array_to_string(list(name ORDER BY name), ', '), string_agg(name, ' > ') FROM spans",
    "SELECT to_json(list(name))::VARCHAR, json_object('n', name) FROM spans GROUP BY name",
    "SELECT list_transform(list(name), lambda x: '<' || x || '>') FROM spans",
    "SELECT list_filter([1, 2, 3], lambda x: x > kind) FROM spans",
    "SELECT list_sort(list(duration_ns))[1], list_sum(list(duration_ns)) FROM spans",
    "SELECT string_split(name, '/')[1] AS first, upper(name), hex(name) FROM spans",
    "SELECT concat_ws('|', trace_id, span_id, name, service_name, kind::VARCHAR) FROM spans",
    "WITH a AS (SELECT name || '-' || service_name AS k FROM spans), "
    "b AS (SELECT k || '/' || k AS k FROM a), c AS (SELECT k || k AS k FROM b) SELECT k FROM c",
    "SELECT CASE WHEN name LIKE 'o%' THEN name || '!' ELSE coalesce(name, '') END FROM spans",
    "SELECT time_bucket(INTERVAL 1 MINUTE, to_timestamp(start_unix_nano / 1e9)), count(*) "
    "FROM spans GROUP BY 1 HAVING count(*) > 0 ORDER BY 1",
    "SELECT quantile_cont(duration_ns, [0.5, 0.95, 0.99]) FROM spans",
    "SELECT name, sum(duration_ns) OVER (PARTITION BY name), list(name) OVER () FROM spans",
    "SELECT x FROM unnest(range(10)) AS t(x) WHERE x IN (SELECT kind FROM spans)",
    "SELECT [x * 2 FOR x IN range(10) IF x > 3] FROM spans",
    f"SELECT count(*) FROM spans WHERE trace_id IN ({', '.join([repr('0' * 32)] * 2500)})",
    f"SELECT count(*) FROM spans WHERE {' OR '.join(['kind = 7'] * 5000)}",
    f"SELECT {', '.join([f'concat(name, service_name) AS a{n}' for n in range(100)])} FROM spans",
    f"SELECT {' || '.join(['name'] * 40)} FROM spans",
]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> HandMadeSource:
    """Asked once already: what the first question of all takes is nobody's attack."""
    source = HandMadeSource(tmp_path_factory.mktemp("huge"))
    source.add_hot(spans=[{"row_id": 1, "trace_lo": 1, "span_id": 1, "name": "op"}])
    ask(source, "SELECT count(*) FROM spans")
    return source


def ask(source: HandMadeSource, text: str) -> SqlAnswer:
    return run_sql(source, text, 1000, SECONDS, 256 << 20, 2)


def peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("text", HUGE, ids=lambda text: text[:60])
def test_an_attack_ends_in_time_and_in_memory(source: HandMadeSource, text: str) -> None:
    before, start = peak_kib(), time.monotonic()
    with contextlib.suppress(QueryRefused, QueryTimedOut):
        ask(source, text)
    assert time.monotonic() - start < SECONDS + 2
    assert peak_kib() - before < GIB_IN_KIB


@pytest.mark.parametrize("text", MODEST, ids=lambda text: text[:60])
def test_modest_use_of_the_same_functions_is_answered(source: HandMadeSource, text: str) -> None:
    assert ask(source, text).rows.num_rows > 0


def test_a_refusal_says_what_is_allowed(source: HandMadeSource) -> None:
    with pytest.raises(QueryRefused, match=r"range\(\): .*128 KiB.*FROM range"):
        ask(source, "SELECT range(200000000)")


def test_an_answer_of_many_bytes_is_cut_and_says_so(source: HandMadeSource) -> None:
    answer = ask(source, "SELECT repeat('a', 120000) AS s FROM range(900)")
    assert answer.is_truncated
    assert MAX_ANSWER_BYTES * 0.9 < answer.rows.nbytes <= MAX_ANSWER_BYTES
    assert f"first {answer.rows.num_rows} rows" in answer.notices[0]


def test_a_row_bigger_than_an_answer_is_left_out(source: HandMadeSource) -> None:
    answer = ask(source, "SELECT list(range) FROM range(10000000)")
    assert (answer.rows.num_rows, answer.is_truncated) == (0, True)
    assert "64 MiB" in answer.notices[0]
