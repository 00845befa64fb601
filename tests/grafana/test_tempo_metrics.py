"""TraceQL metrics as the Tempo data source asks for them, and every query of Traces Drilldown."""

from __future__ import annotations

from typing import Any

import pytest

from longpole.grafana.tempo.app import create_tempo_app
from tests.grafana import tempo_contract as contract
from tests.grafana.dialect import Dialect
from tests.grafana.shop_spans import FAILED, SPANS, span

QUEUE = 0xAAAA << 64 | 7
WORK = (
    span(QUEUE, 1, 0, "worker", kind=5, attributes={"db.system.name": "redis"}),
    span(QUEUE, 2, 1, "worker", kind=5, status_code=2, attributes={"db.system.name": "redis"}),
    span(QUEUE, 3, 0, "worker", kind=5, status_code=2),
)
START, END = 1_700_000_000, 1_700_000_010


@pytest.fixture(scope="module")
def tempo() -> Dialect:
    return Dialect(create_tempo_app, (*SPANS, *WORK))


def series(tempo: Dialect, query: str, step: str = "5s", **asked: Any) -> dict[str, list[Any]]:
    """The values of each series by its labels, None where there is no sample."""
    times = {"start": str(START), "end": str(END), "step": step} | asked
    response = tempo.get("/api/metrics/query_range", q=query, **times)
    assert response.status_code == 200, response.text
    document = response.json()
    contract.RANGE(document)
    found = {}
    for one in document["series"]:
        samples = {sample["timestampMs"]: sample.get("value", 0) for sample in one["samples"]}
        steps = range(START * 1000, END * 1000 + 1, 5000)
        found[labels(one)] = [samples.get(str(time)) for time in steps]
    return found


def labels(one: dict[str, Any]) -> str:
    pairs = ((label["key"], *label["value"].values()) for label in one["labels"])
    return ",".join(f"{key}={value}" for key, value in pairs)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{} | count_over_time()", {"__name__=count_over_time": [0, 6, 3]}),
        ("{} | rate()", {"__name__=rate": [0, 1.2, 0.6]}),
        ("{ false } | rate()", {"__name__=rate": [0, 0, 0]}),
        ("{ status = error } | count_over_time() by (kind)",
         {"kind=client": [0, 1, 0], "kind=server": [0, 2, 0], "kind=consumer": [0, 0, 2]}),
        ("{} | count_over_time() by (span.db.system, status)",
         {"span.db.system=nil,status=error": [0, 2, 2], "span.db.system=nil,status=unset":
          [0, 2, 1], "span.db.system=postgresql,status=error": [0, 1, 0],
          "span.db.system=redis,status=unset": [0, 1, 0]}),
        ("{ name = `GET /` } | max_over_time(duration)", {"__name__=max_over_time":
                                                          [None, 0.099, None]}),
        ("{} | sum_over_time(span.retries)", {"__name__=sum_over_time": [None, 6.5, None]}),
        ("{} | min_over_time(span.retries)", {"__name__=min_over_time": [None, 3, None]}),
        ("{} | avg_over_time(span.retries)", {"__name__=avg_over_time": [None, 3.25, None]}),
        ("{} | quantile_over_time(span.retries, 0.5, 1)",
         {"p=0.5": [None, 3.25, None], "p=1.0": [None, 3.5, None]}),
        ("{ kind = client } | histogram_over_time(duration)", {"__bucket=0.134217728": [0, 1, 0]}),
        ("{ kind != client } | count_over_time() by (kind) | topk(1)",
         {"kind=consumer": [None, None, 3], "kind=server": [0, 5, None]}),
        ("{} | count_over_time() > 4", {"__name__=count_over_time": [None, 6, None]}),
        ("({ status = error } | count_over_time()) / ({} | count_over_time()) * 100",
         {"__name__=count_over_time": [None, 50, pytest.approx(200 / 3)]}),
        ("{} | by(resource.service.name) | count() > 2 | count_over_time()",
         {"__name__=count_over_time": [0, 0, 3]}),
    ],
)  # fmt: skip
def test_series_count_the_spans_of_each_step(
    tempo: Dialect, query: str, expected: dict[str, list[Any]]
) -> None:
    assert series(tempo, query) == expected


def test_steps_are_whole_and_a_step_ends_at_its_time(tempo: Dialect) -> None:
    # The first span starts at 1,001 ms: in the step that ends at 2 s.
    document = tempo.get(
        "/api/metrics/query_range", q="{} | count_over_time()", start=START + 1, end=END, step="1"
    ).json()
    samples = document["series"][0]["samples"]
    assert [int(one["timestampMs"]) // 1000 - START for one in samples] == list(range(1, 11))
    assert [one.get("value", 0) for one in samples] == [0, 4, 2, 0, 0, 0, 0, 3, 0, 0]


def test_exemplars_lead_to_traces(tempo: Dialect) -> None:
    document = tempo.get(
        "/api/metrics/query_range", q="{ kind = client } | rate() by (name)", start=START, end=END,
        step="5s", exemplars=10,
    ).json()  # fmt: skip
    contract.RANGE(document)
    (exemplar,) = document["series"][0]["exemplars"]
    found = {one["key"]: one["value"]["stringValue"] for one in exemplar["labels"]}
    assert found == {"trace:id": f"{FAILED:032x}", "span:id": f"{2:016x}", "name": "op 2"}
    assert (exemplar["value"], exemplar["timestampMs"]) == (0.098, "1700000001002")


def test_an_instant_is_one_number_for_each_series(tempo: Dialect) -> None:
    document = tempo.get(
        "/api/metrics/query", q="{} | rate() by (status)", start=START, end=END
    ).json()
    contract.INSTANT(document)
    assert {labels(one): one["value"] for one in document["series"]} == {
        "status=error": 0.5, "status=unset": 0.4,
    }  # fmt: skip


def test_compare_sets_the_values_of_a_selection_against_the_rest(tempo: Dialect) -> None:
    document = tempo.get(
        "/api/metrics/query_range", q="{} | compare({ status = error }, 2)", start=START, end=END,
        step=f"{END - START}s",
    ).json()  # fmt: skip
    contract.RANGE(document)
    totals = {
        labels(one): sum(sample.get("value", 0) for sample in one["samples"])
        for one in document["series"]
    }
    assert totals["__meta_type=selection,resource.service.name=worker"] == 2
    assert totals["__meta_type=baseline,resource.service.name=gateway"] == 1
    assert totals["__meta_type=selection,span.db.system=nil"] == 4
    assert totals["__meta_type=selection_total,kind=nil"] == 5
    assert totals["__meta_type=baseline_total,kind=nil"] == 4
    assert "__meta_error=__too_many_values__,resource.service.name=nil" in totals


PRIMARY = [
    "nestedSetParent<0",
    *(
        pytest.param(one, marks=pytest.mark.full)
        for one in ("true", "kind=server", "kind=consumer", 'span.db.system.name!=""')
    ),
]


@pytest.mark.parametrize("primary", PRIMARY)
def test_traces_drilldown_gets_series_for_every_primary_signal(
    tempo: Dialect, primary: str
) -> None:
    chosen = f"{primary} && true"
    by = "&& resource.service.name != nil} | "
    for query in (
        "{} | rate()",
        f"{{{chosen}}} | rate()",
        f"{{{chosen} && status=error}} | rate()",
        f"{{{chosen}}} | quantile_over_time(duration, 0.9)",
        f"{{{chosen} {by} rate() by(resource.service.name)",
        f"{{{chosen} && status=error {by} rate() by(resource.service.name)",
        f"{{{chosen} {by} quantile_over_time(duration, 0.9) by(resource.service.name)",
        f"{{{chosen}}} | histogram_over_time(duration) with(sample=true)",
        f"{{{chosen}}} | compare({{status = error}}, 10)",
        f"{{{chosen}}} | compare({{status = error}}, 10, {START}000000000, {END}000000000)",
    ):
        found = series(tempo, query)
        assert any(value for values in found.values() for value in values), query


@pytest.mark.parametrize("primary", PRIMARY)
def test_traces_drilldown_finds_spans_for_every_primary_signal(
    tempo: Dialect, primary: str
) -> None:
    chosen = f"{primary} && true && status = error"
    for query in (
        f"{{{chosen}}} | select(resource.service.name, name, nestedSetParent)",
        f"({{{chosen}}} &>> {{ status = error }}) || ({{{chosen}}}) | select(status,"
        " resource.service.name, name, nestedSetParent, nestedSetLeft, nestedSetRight)",
        f"{{{chosen}}} | select(resource.service.name, event.exception.message,"
        " event.exception.stacktrace, event.exception.type) with(most_recent=true)",
    ):
        document = tempo.get(
            "/api/search", q=query, limit=200, spss=20, start=START, end=END
        ).json()
        contract.SEARCH(document)
        assert document["traces"], query


def test_what_is_too_much_is_refused_in_plain_words(tempo: Dialect) -> None:
    for asked, status, word in (
        ({"q": "{} | rate()", "step": "1s", "start": 1, "end": 1_700_000_000}, 422, "steps"),
        ({"q": "{}", "step": "1s", "start": START, "end": END}, 400, "finds traces"),
        ({"q": "{} | rate()", "step": "x", "start": START, "end": END}, 400, "step"),
        ({"q": "{} | rate()", "step": "1s", "start": END, "end": START}, 400, "before end"),
    ):
        response = tempo.get("/api/metrics/query_range", None, **asked)
        assert (response.status_code, word in response.text) == (status, True), response.text
