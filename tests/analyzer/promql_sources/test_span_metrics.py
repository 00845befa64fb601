"""RED and critical-path series count exactly what is stored, whatever was late or sent twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np
import pytest

from longpole.analyzer.promql.catalog import SeriesCatalog
from longpole.analyzer.promql.query import parse
from longpole.analyzer.promql.refusals import TooMuch
from longpole.analyzer.promql.series import Labels, Series
from longpole.analyzer.promql_sources.step_grid import StepSettings
from longpole.analyzer.promql_sources.store_catalog import SourceSettings, stored_series
from longpole.model.clock import ManualClock
from longpole.model.query import TraceQuery
from longpole.model.span import Span
from longpole.storage.memory import MemoryStore
from tests.analyzer.promql_sources.settled_spans import SPREAD, START, ended, filled
from tests.storage.span_examples import SECOND

Filled = tuple[MemoryStore, ManualClock, list[Span]]
NO_END = SourceSettings(steps=StepSettings(idle_seconds=7_200))
BEGIN_MS, END_MS = START // 1_000_000 - 60_000, (START + (SPREAD + 600) * SECOND) // 1_000_000


@pytest.fixture(scope="module")
def kept() -> Filled:
    return filled()


@pytest.fixture(scope="module")
def catalog(kept: Filled) -> SeriesCatalog:
    return stored_series(kept[0], kept[1], NO_END)


def selected(catalog: SeriesCatalog, selector: str, after_ms: int, through_ms: int) -> list[Series]:
    matchers = parse(selector).matchers  # type: ignore[union-attr]
    return list(catalog.select(matchers, after_ms, through_ms, 10**7))


def key_of(labels: Labels) -> tuple[str, ...]:
    said = dict(labels)
    service = said.get("service") or said["service_name"]
    return service, said["span_name"], said["span_kind"], said["status_code"]


def span_key(one: Span) -> tuple[str, ...]:
    kind = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT"}[one.kind]
    status = ("UNSET", "OK", "ERROR")[one.status_code]
    return one.service_name, one.name, f"SPAN_KIND_{kind}", f"STATUS_CODE_{status}"


def rises(found: list[Series]) -> Mapping[tuple[str, ...], float]:
    return {key_of(one.labels): one.values[-1] - one.values[0] for one in found}


@pytest.mark.parametrize(
    "name", ["traces_spanmetrics_calls_total", "traces_span_metrics_calls_total"]
)
def test_calls_are_the_spans_that_ended_in_any_window(
    name: str, kept: Filled, catalog: SeriesCatalog
) -> None:
    for begin, end in ((0, SPREAD + 500), (300, 360), (900, 1_800), (30, 2_400)):
        low, high = (START + at * SECOND for at in (begin, end))
        low, high = (at - at % (30 * SECOND) for at in (low, high))
        earlier = Counter(span_key(one) for one in ended(kept[2], low, lambda s: True))
        wanted = Counter(span_key(one) for one in ended(kept[2], high, lambda s: True)) - earlier
        found = rises(selected(catalog, name, low // 1_000_000 - 1, high // 1_000_000))
        assert {key: count for key, count in found.items() if count} == wanted


def test_durations_and_buckets_are_those_of_the_spans(kept: Filled, catalog: SeriesCatalog) -> None:
    for name, unit, le in (
        ("traces_spanmetrics_latency", 1e9, "0.1"),
        ("traces_span_metrics_duration_milliseconds", 1e6, "100"),
    ):
        sums: defaultdict[tuple[str, ...], float] = defaultdict(float)
        for one in kept[2]:
            sums[span_key(one)] += (one.end_unix_nano - one.start_unix_nano) / unit
        assert rises(selected(catalog, f"{name}_sum", BEGIN_MS, END_MS)) == pytest.approx(sums)
        short = Counter(
            span_key(s) for s in kept[2] if s.end_unix_nano - s.start_unix_nano <= 100_000_000
        )
        found = rises(selected(catalog, f'{name}_bucket{{le="{le}"}}', BEGIN_MS, END_MS))
        assert {key: count for key, count in found.items() if count} == short
        calls = rises(selected(catalog, f"{name}_count", BEGIN_MS, END_MS))
        assert rises(selected(catalog, f'{name}_bucket{{le="+Inf"}}', BEGIN_MS, END_MS)) == calls


def test_counters_never_fall_and_begin_with_nothing(catalog: SeriesCatalog) -> None:
    found = selected(catalog, '{__name__=~"traces_.*|longpole_.*"}', BEGIN_MS, END_MS)
    assert len(found) > 500
    for one in found:
        is_gauge = dict(one.labels)["__name__"] == "traces_service_graph_connection_info"
        assert one.values[0] == is_gauge
        assert (np.diff(one.values) >= 0).all()
        assert (np.diff(one.times_ms) == 30_000).all()


def test_a_part_of_the_time_has_the_same_samples_as_the_whole(catalog: SeriesCatalog) -> None:
    selector = '{__name__=~"traces_spanmetrics_.*|longpole_.*"}'
    whole = {one.labels: one for one in selected(catalog, selector, BEGIN_MS, END_MS)}
    middle = BEGIN_MS + 1_234_567
    part = selected(catalog, selector, middle, middle + 300_000)
    assert part
    for one in part:
        known = whole[one.labels]
        held = slice(*np.searchsorted(known.times_ms, [middle, middle + 300_000], "right"))
        assert one.times_ms.tolist() == known.times_ms[held].tolist()
        assert one.values == pytest.approx(known.values[held])


def test_critical_path_seconds_add_up_to_the_totals(kept: Filled, catalog: SeriesCatalog) -> None:
    found = selected(catalog, "longpole_critical_path_seconds_total", BEGIN_MS, END_MS)
    total = sum(one.values[-1] for one in found)
    roots = kept[0].path_totals(TraceQuery(limit=None), ("service",)).roots
    assert total == pytest.approx(roots["duration_sum_ns"][0].as_py() / 1e9)
    assert {"root", "service", "operation", "label"} < {
        name for one in found for name, _ in one.labels
    }


def test_the_service_graph_counts_both_sides_of_every_call(
    kept: Filled, catalog: SeriesCatalog
) -> None:
    spans = {(one.trace_id, one.span_id): one for one in kept[2]}
    users = Counter(one.service_name for one in kept[2] if one.kind == 2 and not one.parent_span_id)
    name = "traces_service_graph_request_total"
    found = selected(catalog, f'{name}{{client="user"}}', BEGIN_MS, END_MS)
    assert {dict(one.labels)["server"]: one.values[-1] for one in found} == users
    assert {dict(one.labels)["connection_type"] for one in found} == {"virtual_node"}
    failed = sum(one.status_code == 2 for one in kept[2] if not one.parent_span_id)
    bad = selected(catalog, 'traces_service_graph_request_failed_total{client="user"}',
                   BEGIN_MS, END_MS)  # fmt: skip
    assert sum(one.values[-1] for one in bad) == failed
    seconds = sum(
        (one.end_unix_nano - one.start_unix_nano) / 1e9
        for one in spans.values() if not one.parent_span_id
    )  # fmt: skip
    took = selected(catalog, "traces_service_graph_request_server_seconds_sum", BEGIN_MS, END_MS)
    assert sum(one.values[-1] for one in took) == pytest.approx(seconds)
    ends = selected(catalog, 'traces_service_graph_request_server_seconds_bucket{le="+Inf"}',
                    BEGIN_MS, END_MS)  # fmt: skip
    assert sum(one.values[-1] for one in ends) == sum(users.values())


def test_an_idle_counter_ends_and_goes_on_where_it_was(kept: Filled) -> None:
    short = SourceSettings(steps=StepSettings(idle_seconds=120))
    found = selected(stored_series(kept[0], kept[1], short), "traces_spanmetrics_calls_total",
                     BEGIN_MS, END_MS)  # fmt: skip
    gaps = [one for one in found if (np.diff(one.times_ms) > 30_000).any()]
    assert gaps
    for one in gaps:
        after = np.flatnonzero(np.diff(one.times_ms) > 30_000)
        assert (one.values[after] == one.values[after + 1]).all()
        assert one.times_ms[-1] < END_MS


def test_only_finished_steps_are_shown(kept: Filled) -> None:
    store, _, spans = kept
    at = START + 600 * SECOND
    catalog = stored_series(store, ManualClock(at + 9 * SECOND), NO_END)
    found = selected(catalog, "traces_spanmetrics_calls_total", BEGIN_MS, END_MS)
    last_ms = max(int(one.times_ms[-1]) for one in found)
    step = at - at % (30 * SECOND)
    assert last_ms * 1_000_000 == (
        step if step + 10 * SECOND <= at + 9 * SECOND else step - 30 * SECOND
    )
    total = sum(one.values[-1] for one in found)
    assert total == len(ended(spans, last_ms * 1_000_000, lambda s: True))


def test_the_rest_is_one_series_for_each_service_kind_and_status(kept: Filled) -> None:
    store, clock, spans = kept
    few = SourceSettings(steps=NO_END.steps, most_keys=5)
    found = selected(stored_series(store, clock, few), "traces_spanmetrics_calls_total",
                     BEGIN_MS, END_MS)  # fmt: skip
    assert sum(one.values[-1] for one in found) == len(spans)
    apart = [one for one in found if "otel_metric_overflow" not in dict(one.labels)]
    assert len(apart) <= 5
    assert len(found) > len(apart)


@pytest.mark.parametrize(
    ("selector", "is_wanted"),
    [
        ('{service="web"}', lambda s: s.service_name == "web"),
        ('{service!="web"}', lambda s: s.service_name != "web"),
        ('{span_name=~"GET.*", service=~"web|cart"}',
         lambda s: s.name == "GET /" and s.service_name in ("web", "cart")),
        ('{span_name="find", status_code!~".*ERROR|.*OK"}',
         lambda s: s.name == "find" and s.status_code == 0),
        ('{service=~"we"}', lambda s: False),
        ('{span_kind="SPAN_KIND_SERVER", le=""}', lambda s: s.kind == 2),
        ('{service_name="web"}', lambda s: False),
    ],
)  # fmt: skip
def test_matchers_choose_spans(
    selector: str, is_wanted: object, kept: Filled, catalog: SeriesCatalog
) -> None:
    assert callable(is_wanted)
    name = "traces_spanmetrics_calls_total"
    found = selected(catalog, name + selector, BEGIN_MS, END_MS)
    assert sum(one.values[-1] for one in found) == sum(map(is_wanted, kept[2]))
    matchers = parse(name + selector).matchers  # type: ignore[union-attr]
    listed = catalog.series(matchers, BEGIN_MS, END_MS, 0)
    assert listed == [one.labels for one in found]


@pytest.mark.parametrize(
    "selector",
    ["", '{service="web"}', '{le="+Inf"}', '{client!=""}', '{span_name=~"GET.*",le=""}',
     '{__name__=~"longpole.*",label!="x"}'],
)  # fmt: skip
@pytest.mark.parametrize("seconds", [(-60, 3_000), (300, 390), (2_400, 2_460), (2_990, 3_000)])
def test_names_and_values_are_those_of_the_series_with_samples(
    selector: str, seconds: tuple[int, int], kept: Filled
) -> None:
    catalog = stored_series(kept[0], kept[1])
    matchers = parse(selector).matchers if selector else ()  # type: ignore[union-attr]
    begin, end = ((START + at * SECOND) // 1_000_000 for at in seconds)
    found = [one.labels for one in catalog.select(matchers, begin, end, 10**8)]
    assert catalog.series(matchers, begin, end, 0) == found
    names = sorted({name for labels in found for name, _ in labels})
    assert catalog.label_names(matchers, begin, end, 0) == names
    for name in [*names, "unknown"]:
        values = sorted({value for labels in found for key, value in labels if key == name})
        assert catalog.label_values(name, matchers, begin, end, 0) == values
        assert catalog.label_values(name, matchers, begin, end, 2) == values[:2]


def test_names_are_listed_from_one_read_of_each_kind(kept: Filled) -> None:
    store, clock, _ = kept
    reads: Counter[str] = Counter()

    class Counting:
        def __getattr__(self, name: str) -> object:
            if name.endswith("_series"):
                reads[name] += 1
            return getattr(store, name)

    catalog = stored_series(Counting(), clock)  # type: ignore[arg-type]
    assert catalog.label_values("no_such_label", (), BEGIN_MS, END_MS, 0) == []
    assert set(reads) == {"metric_series"}
    for name in ("service", "span_name", "client", "root", "le", "__name__"):
        assert catalog.label_values(name, (), BEGIN_MS, END_MS, 0)
    # Calls are ranked once, beside.
    del reads["metric_series"]
    assert reads == {"red_series": 2, "call_series": 1, "path_series": 1}


def test_exemplars_are_spans_of_their_series_in_the_bucket_of_their_duration(
    kept: Filled, catalog: SeriesCatalog
) -> None:
    name = "traces_spanmetrics_latency_bucket"
    matchers = parse(f'{name}{{service="web"}}').matchers  # type: ignore[union-attr]
    found = catalog.exemplars(matchers, BEGIN_MS, END_MS)
    spans = {(f"{s.trace_id:032x}", f"{s.span_id:016x}"): s for s in kept[2]}
    assert len(found) > 5
    for series in found:
        for exemplar in series.exemplars:
            said = dict(exemplar.labels)
            one = spans[said["trace_id"], said["span_id"]]
            assert said["traceID"] == said["trace_id"]
            assert span_key(one) == key_of(series.labels)
            seconds = (one.end_unix_nano - one.start_unix_nano) / 1e9
            assert exemplar.value == seconds <= float(dict(series.labels)["le"])
            assert exemplar.time_ms == one.end_unix_nano // 1_000_000


def test_more_samples_than_allowed_are_refused(catalog: SeriesCatalog) -> None:
    with pytest.raises(TooMuch, match="too many samples"):
        catalog.select((), BEGIN_MS, END_MS, 1_000)
