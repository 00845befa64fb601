"""Every rule of the generated views, each over two segments and hot rows.

The first segment keeps `http.route`, `code` and `flag` in typed columns, the second keeps
them in its remainder lists, and the hot rows in their lists.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longpole.model.ids import trace_id_hex
from longpole.storage.duckdb.read.sql_reader import run_sql
from longpole.storage.ports import QueryRefused, SqlAnswer
from tests.storage.read.segment_files import HandMadeSource, Row

RESOURCE = {
    "resource_id": 1,
    "service_name": "shop",
    "attributes": {"host": "h1", "zone": "z", "shared": "resource", "service.name": "shop"},
}
SCOPE = {"scope_id": 1, "name": "lib", "version": "1.2"}


def span(number: int, trace: int, attributes: dict[str, Any], **fields: Any) -> Row:
    return {
        "row_id": number,
        "trace_hi": 1 << 63,
        "trace_lo": trace,
        "span_id": number,
        "name": f"op{number}",
        "start_unix_nano": number * 100,
        "duration_ns": 7,
        "service_name": "shop",
        "resource_id": 1,
        "scope_id": 1,
        "attributes": attributes,
        **fields,
    }


def trace_hex(low: int) -> str:
    return trace_id_hex((1 << 127) | low)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> HandMadeSource:
    """Spans 1 and 2 in a segment with typed columns, 3 and 4 in one without, 5 and 6 hot."""
    source = HandMadeSource(tmp_path_factory.mktemp("views"))
    sides: dict[str, Any] = {"resources": [RESOURCE], "scopes": [SCOPE]}
    source.add_segment(
        typed=["http.route", "code", "flag", "mixed"],
        spans=[
            span(1, 1, {"http.route": "/a", "code": 200, "flag": True, "mixed": 1}),
            span(2, 1, {"http.route": "/b", "code": 500, "mixed": "one", "shared": "span"}),
        ],
        **sides,
    )
    source.add_segment(
        spans=[
            span(3, 2, {"http.route": "/a", "code": 404, "flag": False, "mixed": 1.5}),
            span(4, 2, {"http.route": "/c", "tags": ('{"arrayValue":{}}',)}, parent_span_id=3),
        ],
        **sides,
    )
    source.add_hot(
        spans=[
            span(5, 3, {"http.route": "/a", "code": 503, "mixed": True, "Case": "upper"}),
            span(6, 3, {"code": 1, "case": "lower", "name": "attribute", "shared": 5}),
        ],
        **sides,
    )
    return source


@pytest.fixture
def own(source: HandMadeSource, tmp_path: Path) -> HandMadeSource:
    """One to add to."""
    return source.copied(tmp_path)


def ask(source: HandMadeSource, text: str, max_rows: int = 1000) -> SqlAnswer:
    return run_sql(source, text, max_rows, 30.0, 256 << 20, 2)


def values(source: HandMadeSource, column: str) -> list[Any]:
    rows = ask(source, f"SELECT {column} AS v FROM spans ORDER BY span_id").rows
    return list(rows["v"].to_pylist())


def test_an_attribute_has_its_value_wherever_it_is_kept(source: HandMadeSource) -> None:
    assert values(source, '"http.route"') == ["/a", "/b", "/a", "/c", "/a", None]
    assert values(source, "code") == [200, 500, 404, None, 503, 1]
    assert values(source, "flag") == [True, None, False, None, None, None]


def test_a_group_by_over_attributes_just_works(source: HandMadeSource) -> None:
    rows = ask(
        source,
        'SELECT "http.route", count(*) AS n FROM spans WHERE "code" >= 400 GROUP BY 1 ORDER BY 1',
    ).rows.to_pylist()
    assert rows == [
        {"http.route": "/a", "n": 2},
        {"http.route": "/b", "n": 1},
    ]


def test_a_key_of_mixed_types_is_shown_as_its_widest_type(source: HandMadeSource) -> None:
    assert values(source, "mixed") == ["1", "one", "1.5", None, "true", None]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mixed@int", [1, None, None, None, None, None]),
        ("mixed@string", [None, "one", None, None, None, None]),
        ("mixed@double", [None, None, 1.5, None, None, None]),
        ("mixed@bool", [None, None, None, None, True, None]),
    ],
)
def test_an_exact_type_is_null_for_other_types(
    source: HandMadeSource, name: str, expected: list[Any]
) -> None:
    assert values(source, f'"{name}"') == expected


def test_arrays_come_as_their_json(source: HandMadeSource) -> None:
    assert values(source, "tags") == [None, None, None, '{"arrayValue":{}}', None, None]


def test_the_span_s_attribute_hides_that_of_its_resource(source: HandMadeSource) -> None:
    assert values(source, "shared") == ["resource", "span", "resource", "resource", "resource", "5"]
    assert values(source, '"resource.shared"') == ["resource"] * 6
    assert values(source, '"span.shared"') == [None, "span", None, None, None, "5"]
    assert values(source, '"shared@string"')[5] is None  # the span's own value is an int


def test_a_resource_attribute_reaches_every_span(source: HandMadeSource) -> None:
    assert values(source, "host") == ["h1"] * 6
    assert values(source, "attr('zone')") == ["z"] * 6


def test_a_key_that_collides_is_reachable_by_attr(source: HandMadeSource) -> None:
    assert values(source, "attr('Case')") == [None] * 4 + ["upper", None]
    assert values(source, "attr('case')") == [None] * 5 + ["lower"]
    assert values(source, "attr('name')") == [None] * 5 + ["attribute"]
    assert values(source, "name")[5] == "op6"
    assert values(source, '"span.name"')[5] == "attribute"


def test_two_keys_that_differ_by_case_are_not_confused(source: HandMadeSource) -> None:
    with pytest.raises(QueryRefused, match="attr"):
        ask(source, 'SELECT "Case", "case" FROM spans')


def test_attr_works_in_where_and_keeps_its_name(source: HandMadeSource) -> None:
    answer = ask(
        source, "SELECT attr('http.route') FROM spans AS s WHERE attr(s, 'code') > 500 LIMIT 5"
    )
    assert answer.rows.to_pylist() == [{"attr('http.route')": "/a"}]


SELF_JOIN = "FROM spans a JOIN spans b USING (trace_id)"


@pytest.mark.parametrize("call", ["attr(a, 'code')", "a.attr('code')"])
def test_attr_names_the_table_it_means(source: HandMadeSource, call: str) -> None:
    rows = ask(source, f"SELECT {call} AS v {SELF_JOIN} WHERE a.span_id = b.span_id ORDER BY 1")
    assert rows.rows["v"].to_pylist() == [1, 200, 404, 500, 503, None]


def test_an_ambiguous_attr_says_what_to_write(source: HandMadeSource) -> None:
    with pytest.raises(QueryRefused, match=r"attr\(a, 'code'\) or attr\(b, 'code'\)") as refused:
        ask(source, f"SELECT attr('code') {SELF_JOIN}")
    assert "longpole_" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("WITH spans AS (SELECT * FROM spans WHERE code > 400) SELECT name FROM spans", 3),
        ("WITH Spans AS (SELECT name, code FROM spans) SELECT name FROM SPANS WHERE code = 1", 1),
        ("WITH s AS (SELECT * FROM spans), spans AS (SELECT 1 AS one) SELECT * FROM s", 6),
        ("SELECT * FROM (WITH spans AS (SELECT 1 AS one) SELECT * FROM spans), spans AS s", 6),
    ],
)
def test_a_common_table_may_be_called_like_the_view_it_asks(
    source: HandMadeSource, text: str, count: int
) -> None:
    assert ask(source, text).rows.num_rows == count


@pytest.mark.parametrize(
    "text",
    [
        "-- why\nSELECT name FROM spans",
        "/* why */ SELECT name FROM spans; -- end",
        "-- why\n\n-- and why\nFROM spans SELECT attr('code')",
    ],
)
def test_a_comment_may_come_first(source: HandMadeSource, text: str) -> None:
    assert ask(source, text).rows.num_rows == 6


def test_show_tables_after_a_comment_answers(source: HandMadeSource) -> None:
    assert "spans" in ask(source, "-- why\nSHOW TABLES;").rows["name"].to_pylist()


def test_explain_shows_the_plan_without_a_path(source: HandMadeSource) -> None:
    answer = ask(source, "-- why\nEXPLAIN SELECT attr('code') FROM spans WHERE kind = 1")
    plan = answer.rows["explain_value"].to_pylist()[0]
    assert "kind" in plan
    assert str(source.folder) not in plan
    assert "/" not in plan


def test_an_unknown_key_is_null_with_a_notice(source: HandMadeSource) -> None:
    answer = ask(source, 'SELECT DISTINCT "http.rout" FROM spans')
    assert answer.rows.to_pylist() == [{"http.rout": None}]
    assert "http.rout" in answer.notices[0]


def test_an_alias_is_not_mistaken_for_a_key(source: HandMadeSource) -> None:
    answer = ask(source, "SELECT name AS who, count(*) AS n FROM spans GROUP BY who ORDER BY n")
    assert answer.rows.num_rows == 6
    assert answer.notices == ()


def test_ids_are_hex_and_a_missing_parent_is_null(source: HandMadeSource) -> None:
    rows = ask(source, "SELECT trace_id, span_id, parent_span_id FROM spans ORDER BY span_id").rows
    assert rows.to_pylist()[3] == {
        "trace_id": trace_hex(2),
        "span_id": "0000000000000004",
        "parent_span_id": "0000000000000003",
    }
    assert rows["parent_span_id"].null_count == 5


@pytest.mark.parametrize(
    "query", ["SELECT s AS row FROM spans s", "SELECT spans AS row FROM spans"]
)
def test_a_row_as_a_whole_has_all_columns(source: HandMadeSource, query: str) -> None:
    rows = ask(source, query).rows["row"].to_pylist()
    assert [row["parent_span_id"] for row in rows].count(None) == 5
    assert {row["scope_name"] for row in rows} == {"lib"}


def test_scope_and_end_are_there_when_named(source: HandMadeSource) -> None:
    rows = ask(source, "SELECT DISTINCT scope_name, scope_version FROM spans").rows.to_pylist()
    assert rows == [{"scope_name": "lib", "scope_version": "1.2"}]
    assert values(source, "end_unix_nano") == [107, 207, 307, 407, 507, 607]


@pytest.mark.parametrize("start", [(1 << 63) - 1, -(1 << 63)])
def test_an_end_beyond_64_bits_wraps_like_the_sender_s(own: HandMadeSource, start: int) -> None:
    duration = 10 if start > 0 else -10
    own.add_hot(spans=[span(9, 9, {}, start_unix_nano=start, duration_ns=duration)])
    end = (start + duration + (1 << 63)) % (1 << 64) - (1 << 63)
    assert values(own, "end_unix_nano")[-1] == end


def test_star_shows_core_columns_and_every_key(source: HandMadeSource) -> None:
    answer = ask(source, "SELECT * FROM spans")
    names = answer.rows.column_names
    assert {"trace_id", "name", "http.route", "code", "host", "tags"} <= set(names)
    assert not {"row_id", "attr_str_keys", "trace_hi"} & set(names)
    assert answer.rows.num_rows == 6
    assert "2 attribute keys" in answer.notices[0]  # `name`, and one of Case and case


@pytest.mark.parametrize("low", [1, 2, 3])
def test_a_named_trace_is_found_in_every_part(source: HandMadeSource, low: int) -> None:
    wanted = f"trace_id = '{trace_hex(low)}'"
    assert ask(source, f"SELECT name FROM spans WHERE {wanted}").rows.num_rows == 2
    wanted = f"s.trace_id IN ('{trace_hex(low)}', 'nonsense')"
    assert ask(source, f"SELECT name FROM spans s WHERE {wanted}").rows.num_rows == 2
    wanted = f"trace_id = '{trace_hex(low)}' OR kind = 0"
    assert ask(source, f"SELECT name FROM spans WHERE {wanted}").rows.num_rows == 6


@pytest.mark.parametrize(
    "where",
    [
        "trace_id = '{}'",
        "'{}' = s.trace_id",
        "trace_id IN ('nonsense', '{}')",
        "trace_id = '{}' OR name = 'none'",
    ],
)
def test_an_id_is_found_in_capitals_too(source: HandMadeSource, where: str) -> None:
    wanted = where.format(trace_hex(2).upper())
    assert ask(source, f"SELECT name FROM spans s WHERE {wanted}").rows.num_rows == 2


def test_a_text_that_is_no_id_column_keeps_its_case(own: HandMadeSource) -> None:
    text = "ABCDEFABCDEFABCD"
    own.add_hot(spans=[span(7, 4, {}, name=text)])
    assert ask(own, f"SELECT 1 FROM spans WHERE name = '{text}'").rows.num_rows == 1


def test_a_condition_on_an_outer_trace_does_not_limit_the_inner(source: HandMadeSource) -> None:
    found = ask(
        source,
        "SELECT name FROM spans s WHERE EXISTS "
        f"(SELECT 1 FROM span_events WHERE s.trace_id = '{trace_hex(1)}') OR span_id <> ''",
    )
    assert found.rows.num_rows == 6


def test_superseded_revisions_are_in_no_view(own: HandMadeSource) -> None:
    def rows(revision: int) -> Row:
        return {"trace_hi": 1 << 63, "trace_lo": 1, "revision": revision}

    red = {"service": "shop", "count": 3, "bucket_counts": [1] * 17}
    segment = {"end_unix_nano": 50, "start_unix_nano": 20, "label": "self"}
    own.add_segment(
        traces=[rows(1)],
        path_segments=[{**rows(1), **segment}],
        findings=[{**rows(1), "detector": "old"}],
        red=[{**rows(1), **red}],
    )
    own.add_segment(traces=[{**rows(1), "trace_lo": 2}], red=[{**rows(1), "trace_lo": 2, **red}])
    own.add_hot(
        traces=[rows(2)],
        path_segments=[{**rows(2), **segment, "end_unix_nano": 60}],
        findings=[{**rows(2), "detector": "new", "span_ids": [1, 1 << 63]}],
        red=[{**rows(2), **red, "count": 5}],
    )
    own.superseded.append(rows(1))
    traces = ask(own, "SELECT trace_id, revision FROM traces ORDER BY 1").rows.to_pylist()
    assert [(t["trace_id"], t["revision"]) for t in traces] == [
        (trace_hex(1), 2),
        (trace_hex(2), 1),
    ]
    assert ask(own, "SELECT duration_ns FROM path_segments").rows.to_pylist() == [
        {"duration_ns": 40}
    ]
    findings = ask(own, "SELECT detector, span_ids FROM findings").rows.to_pylist()
    assert findings == [{"detector": "new", "span_ids": ["0000000000000001", "8000000000000000"]}]
    red_rows = ask(own, "SELECT count, bucket_counts FROM red").rows.to_pylist()
    assert red_rows == [{"count": 8, "bucket_counts": [2] * 17}]


def test_events_and_links_show_attributes_as_json_and_by_key(own: HandMadeSource) -> None:
    row = {"row_id": 1, "trace_hi": 1 << 63, "trace_lo": 1, "span_id": 1}
    attributes = {"exception.type": "E", "n": 3, "d": float("nan"), "t": ("[1]",)}
    link = {"linked_trace_lo": 9, "linked_span_id": 8, "attributes": {"a.b": 'q"uote'}}
    own.add_hot(
        span_events=[{**row, "name": "exception", "attributes": attributes}],
        span_links=[{**row, **link}],
    )
    events = ask(
        own, "SELECT name, \"exception.type\", attr('n') AS n, attributes FROM span_events"
    )
    assert events.rows.to_pylist() == [
        {
            "name": "exception",
            "exception.type": "E",
            "n": "3",
            "attributes": '{"exception.type":"E","n":3,"d":"nan","t":[1]}',
        }
    ]
    links = ask(own, 'SELECT linked_trace_id, linked_span_id, "a.b", attributes FROM span_links')
    assert links.rows.to_pylist() == [
        {
            "linked_trace_id": trace_id_hex(9),
            "linked_span_id": "0000000000000008",
            "a.b": 'q"uote',
            "attributes": '{"a.b":"q\\"uote"}',
        }
    ]


def test_logs_follow_the_same_rules(own: HandMadeSource) -> None:
    def log(number: int, attributes: dict[str, Any], **fields: Any) -> Row:
        return {"row_id": number, "resource_id": 1, "time_unix_nano": number,
                "attributes": attributes, **fields}  # fmt: skip

    own.add_segment(typed=["user"], logs=[log(1, {"user": "a"}, trace_lo=1)], resources=[RESOURCE])
    own.add_segment(logs=[log(2, {"user": "b"})], resources=[RESOURCE])
    own.add_hot(logs=[log(3, {"user": 3})])
    rows = ask(own, 'SELECT trace_id, user, "user@int", host FROM logs ORDER BY time_unix_nano')
    assert rows.rows.to_pylist() == [
        {"trace_id": trace_id_hex(1), "user": "a", "user@int": None, "host": "h1"},
        {"trace_id": None, "user": "b", "user@int": None, "host": "h1"},
        {"trace_id": None, "user": "3", "user@int": 3, "host": "h1"},
    ]


def test_metric_points_carry_their_series(own: HandMadeSource) -> None:
    for add, value in ((own.add_segment, 1.0), (own.add_segment, 2.0), (own.add_hot, 3.0)):
        series = {"series_id": 5, "name": "cpu", "type": "gauge", "attributes": {"core": 1}}
        add(metric_points=[{"series_id": 5, "value_double": value}], metric_series=[series])
    rows = ask(own, "SELECT name, type, value_double, attributes, attr('core') AS core "
               "FROM metric_points ORDER BY value_double")  # fmt: skip
    assert [row["value_double"] for row in rows.rows.to_pylist()] == [1.0, 2.0, 3.0]
    assert {(r["name"], r["attributes"], r["core"]) for r in rows.rows.to_pylist()} == {
        ("cpu", '{"core":1}', "1")
    }


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(keys=st.lists(NAMES, min_size=1, max_size=4, unique=True))
def test_any_key_reads_back_by_attr_from_every_part(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str]
) -> None:
    source = HandMadeSource(tmp_path_factory.mktemp("keys"))
    attributes = {key: f"value of {key}" for key in keys}
    source.add_segment(typed=keys, spans=[span(1, 1, attributes)])
    source.add_segment(spans=[span(2, 1, attributes)])
    source.add_hot(spans=[span(3, 1, attributes)])
    for key in keys:
        if "\0" in key:
            continue  # SQL text cannot hold a NUL
        quoted = key.replace("'", "''")
        assert values(source, f"attr('{quoted}')") == [f"value of {key}"] * 3
    assert ask(source, "SELECT * FROM spans").rows.num_rows == 3
