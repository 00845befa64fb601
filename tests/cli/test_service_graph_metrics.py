"""Calls between services and exemplars on `/metrics`: only up, and leading to traces."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as plain_families

from longpole.analyzer.red.span_counters import CountingFeed, SpanCounters
from longpole.analyzer.settle import settle_once
from longpole.cli.own_metrics import metrics_text, open_metrics_text
from longpole.formats.rows import telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.span import Span
from longpole.storage.memory import MemoryStore
from longpole.storage.ports import QueryTimedOut

SECOND = 10**9


def call(trace: int, end_ns: int, status: int = 0) -> list[Span]:
    """A client span of `web` around a server span of `cart`, which take 30 and 20 ms."""
    client = Span(trace, 1, 0, "GET", 3, end_ns - 30_000_000, end_ns, "web")
    server = Span(trace, 2, 1, "GET /cart", 2, end_ns - 25_000_000, end_ns - 5_000_000, "cart",
                  status)  # fmt: skip
    return [client, server]


class Page:
    """The page of metrics of a store that spans are put into."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock, 0.0, 0.0)
        self.spans = SpanCounters()
        self.registry = CollectorRegistry()
        self.text = metrics_text(self.registry, self.store, self.spans, self.clock)

    def put(self, spans: list[Span]) -> None:
        self.store.submit(telemetry_of_spans(spans), self.clock.now_unix_nano()).result()
        feed = CountingFeed(self.store, self.store, self.spans)
        while settle_once(feed, self.clock).traces:
            pass

    def sample(self, name: str, **labels: str) -> float | None:
        wanted = {"client": "web", "server": "cart", "connection_type": "", **labels}
        for family in plain_families(self.text().decode()):
            for one in family.samples:
                if one.name == name and one.labels == wanted:
                    return one.value
        return None


def test_calls_are_counted_once_their_step_has_ended_and_never_again() -> None:
    page = Page()
    total, failed = (f"traces_service_graph_request_{word}total" for word in ("", "failed_"))
    page.put(call(1, page.clock.now_unix_nano()))
    assert page.sample(total) is None
    page.clock.advance(60)
    assert (page.sample(total), page.sample(failed)) == (1, 0)
    assert page.sample("traces_service_graph_request_server_seconds_sum") == 0.02
    assert page.sample("traces_service_graph_request_client_seconds_bucket", le="0.01") == 0
    assert page.sample("traces_service_graph_request_client_seconds_bucket", le="0.05") == 1
    assert page.sample("traces_service_graph_connection_info") == 1
    page.put(call(2, page.clock.now_unix_nano(), 2))
    page.clock.advance(60)
    assert (page.sample(total), page.sample(failed)) == (2, 1)
    page.clock.advance(3_600)
    assert (page.sample(total), page.sample(failed)) == (2, 1)


def test_a_storage_that_does_not_answer_leaves_the_page_as_it_was() -> None:
    page = Page()
    page.put(call(1, page.clock.now_unix_nano()))
    page.clock.advance(60)
    assert page.sample("traces_service_graph_request_total") == 1

    def refuse(query: object) -> object:
        raise QueryTimedOut("too slow")

    page.store.call_series = refuse  # type: ignore[method-assign]
    page.clock.advance(60)
    assert page.sample("traces_service_graph_request_total") == 1


def test_open_metrics_has_an_exemplar_for_each_bucket() -> None:
    page = Page()
    page.put(call(0xABC, page.clock.now_unix_nano()))
    text = open_metrics_text(page.registry)().decode()
    assert text.endswith("# EOF\n")
    found = {
        (one.labels["service"], one.labels["le"]): one.exemplar
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        for one in family.samples
        if one.name == "traces_spanmetrics_latency_bucket" and one.exemplar
    }
    assert set(found) == {("web", "0.05"), ("cart", "0.05")}
    exemplar = found["cart", "0.05"]
    assert exemplar.labels == {"trace_id": f"{0xABC:032x}", "traceID": f"{0xABC:032x}"}
    assert exemplar.value == 0.02
    assert "trace_id" not in page.text().decode()
