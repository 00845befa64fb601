"""The context of a trace: what other runs, logs and metrics say about where the time went."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from rich.console import Console

from longpole.cli.render.context import context_of_trace
from longpole.formats.rows import telemetry_of_logs, telemetry_of_spans
from longpole.model.log import LogRecord
from longpole.model.span import Resource, Span, SpanKind, StatusCode
from tests.cli.command import documents, run
from tests.cli.test_json_outputs import schema

GOLDEN = Path(__file__).parent.parent / "golden" / "trace-context.txt"
MS = 1_000_000
S = 1_000 * MS
START = 1_767_323_045 * S
COUNT = 300  # requests, one a second; the last but 20 meets a pause
STRUCK = COUNT - 20
IDENTITY = f"{STRUCK + 1:032x}"
RESOURCE = Resource({"service.name": "pay", "service.instance.id": "pay-7"})


def request(number: int) -> list[Span]:
    """`pay` answers `shop`: 20 ms, or 1.3 s when it pauses after its query."""
    begin = START + number * S
    pause = 1_280 * MS if number == STRUCK else 0
    shop = Resource({"service.name": "shop"})
    return [
        Span(number + 1, 1, 0, "POST /buy", SpanKind.SERVER, begin, begin + 30 * MS + pause,
             "shop", resource=shop),
        Span(number + 1, 2, 1, "POST /charge", SpanKind.CLIENT, begin + 5 * MS,
             begin + 27 * MS + pause, "shop", resource=shop),
        Span(number + 1, 3, 2, "POST /charge", SpanKind.SERVER, begin + 6 * MS,
             begin + 26 * MS + pause, "pay", resource=RESOURCE),
        Span(number + 1, 4, 3, "SELECT cards", SpanKind.CLIENT, begin + 8 * MS, begin + 12 * MS,
             "pay", attributes={"db.system.name": "postgresql"}, resource=RESOURCE),
    ]  # fmt: skip


def log(at: int, body: str, level: int = 9, trace: int = 0, instance: str = "pay-7") -> LogRecord:
    resource = Resource({"service.name": "pay", "service.instance.id": instance})
    return LogRecord(at, 0, trace, 3 if trace else 0, level, "", body, service_name="pay",
                     resource=resource)  # fmt: skip


def records() -> list[LogRecord]:
    begin = START + STRUCK * S
    made = [log(START + n * S + 20 * MS, f"charged order {n}", trace=n + 1) for n in range(COUNT)]
    made += [log(begin + 700 * MS, "GC pause (full) 1270 ms"),
             log(begin + 750 * MS, "safepoint reached late", instance="pay-8"),
             log(begin + 1_290 * MS, "charge took too long", 13, STRUCK + 1)]  # fmt: skip
    return made


def metrics() -> bytes:
    """Heap of the instance, every five seconds; it fills up at the pause."""
    made = ExportMetricsServiceRequest()
    block = made.resource_metrics.add()
    for key, value in RESOURCE.attributes.items():
        attribute = block.resource.attributes.add()
        attribute.key, attribute.value.string_value = key, str(value)
    for name, high, low in (("jvm.memory.used", 980.0, 400.0), ("jvm.threads", 40.0, 40.0)):
        metric = block.scope_metrics.add().metrics.add()
        metric.name, metric.unit = name, "MiB" if "memory" in name else "1"
        for number in range(COUNT // 5):
            point = metric.gauge.data_points.add()
            point.time_unix_nano = START + number * 5 * S + 600 * MS
            is_full = number * 5 == STRUCK
            point.as_double = high if is_full else low + 10 * (number % 3) * (low > 100)
    return made.SerializeToString()


def write(directory: Path, logs: Sequence[LogRecord]) -> list[str | Path]:
    spans = [span for number in range(COUNT) for span in request(number)]
    asked: list[str | Path] = ["trace", IDENTITY]
    for name, content in (
        ("spans", telemetry_of_spans(spans).body),
        ("logs", telemetry_of_logs(list(logs)).body),
        ("metrics", metrics()),
    ):
        file = directory / f"{name}.pb"
        file.write_bytes(content)
        asked += ["--from", file]
    return asked


def pay(report: dict[str, Any]) -> dict[str, Any]:
    return next(place for place in report["context"]["places"] if place["service"] == "pay")


def test_the_report_reads_as_agreed(tmp_path: Path) -> None:
    result = run(*write(tmp_path, records()))
    assert result.exit_code == 0, result.output
    if os.environ.get("LONGPOLE_RENEW_GOLDEN"):
        GOLDEN.write_text(result.stdout)
    assert result.stdout == GOLDEN.read_text()
    for line in result.stdout.splitlines():
        assert len(line) <= 100


def test_a_pause_shows_in_runs_logs_and_metrics(tmp_path: Path) -> None:
    (report,) = documents(*write(tmp_path, records()))
    jsonschema.validate(report, schema("trace"))
    place = pay(report)
    assert place["red"]["faster_share_low"] == 1.0
    assert place["red"]["before"]["count"] > 200
    assert [one["template"] for one in place["nearby"]] == ["GC pause (full) <*> ms"]
    assert [line["body"] for line in place["logs"]["worst"]] == ["charge took too long"]
    assert [one["name"] for one in place["metrics"]] == ["jvm.memory.used"]
    assert place["instance"] == {"service.instance.id": "pay-7"}
    gap = report["context"]["gaps"][0]
    assert (gap["service"], gap["where"]) == ("pay", "after SELECT cards")
    assert [one["example"] for one in gap["nearby"]] == ["GC pause (full) 1270 ms"]


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_logs_say_nothing(seed: int, tmp_path: Path) -> None:
    """The control: the same records at other records' times and instances."""
    random = Random(seed)
    made = [one for one in records() if one.severity_number < 13]
    times = [one.time_unix_nano for one in made]
    resources = [one.resource for one in made]
    random.shuffle(times)
    random.shuffle(resources)
    shuffled = [
        LogRecord(time, 0, one.trace_id, one.span_id, 9, "", one.body, service_name="pay",
                  resource=resource)
        for one, time, resource in zip(made, times, resources, strict=True)
    ]  # fmt: skip
    (report,) = documents(*write(tmp_path, shuffled))
    assert pay(report)["nearby"] == []
    assert pay(report)["patterns"] == []
    assert all(gap["nearby"] == [] for gap in report["context"]["gaps"])


def test_context_is_left_out_on_request_and_where_all_traces_are_shown(tmp_path: Path) -> None:
    asked = write(tmp_path, records())
    (report,) = documents(*asked, "--no-context")
    assert "context" not in report
    assert "CONTEXT" not in run(*asked, "--no-context").stdout
    few = tmp_path / "few.pb"
    few.write_bytes(telemetry_of_spans(request(0)).body)
    assert "context" not in documents("trace", "--from", few)[0]


def test_gaps_over_many_traces_tell_what_happened_in_them(tmp_path: Path) -> None:
    _, _, *files = write(tmp_path, records())
    (document,) = documents("gaps", *files)
    jsonschema.validate(document, schema("gaps"))
    first = document["gaps"][0]
    assert (first["service"], first["where"]) == ("pay", "after SELECT cards")
    assert (first["count"], first["longest_ns"]) == (COUNT, 1_294 * MS)
    # The line that each request logs keeps to this gap, and so does the pause.
    assert "charged order <*>" in [one["template"] for one in first["logs"]]
    assert [one["name"] for one in first["metrics"]] == ["jvm.memory.used"]
    total = sum(gap["critical_ns"] for gap in document["gaps"])
    assert total == document["dark_ns"] <= document["duration_sum_ns"]
    assert "jvm.memory.used: 980 MiB, usually 410 MiB" in run("gaps", *files).stdout


def test_gaps_follow_the_filters(tmp_path: Path) -> None:
    _, _, *files = write(tmp_path, records())
    (none,) = documents("gaps", "--service", "nobody", *files)
    assert (none["gaps"], none["coverage"]) == ([], {"matched": 0, "used": 0})
    (one,) = documents("gaps", "--min-duration", "1s", *files)
    assert one["coverage"] == {"matched": 1, "used": 1}
    assert run("gaps", "--service", "nobody", *files).stdout.startswith("No trace matches.")


def test_series_of_failures_are_not_told_of_a_trace_without_errors(tmp_path: Path) -> None:
    made = ExportMetricsServiceRequest.FromString(metrics())
    failures = made.resource_metrics[0].scope_metrics[0].metrics.add()
    failures.CopyFrom(made.resource_metrics[0].scope_metrics[0].metrics[0])
    failures.name = "calls.failed"
    for point in failures.gauge.data_points:
        label = point.attributes.add()
        label.key, label.value.string_value = "rpc.response.status_code", "FAILED_PRECONDITION"
    asked = write(tmp_path, records())
    (tmp_path / "metrics.pb").write_bytes(made.SerializeToString())
    assert [one["name"] for one in pay(documents(*asked)[0])["metrics"]] == ["jvm.memory.used"]
    spans = [span for number in range(COUNT) for span in request(number)]
    failed = [
        replace(one, status_code=StatusCode.ERROR) if one.span_id == 4 else one for one in spans
    ]
    (tmp_path / "spans.pb").write_bytes(telemetry_of_spans(failed).body)
    (report,) = documents(*asked)
    assert {one["name"] for one in pay(report)["metrics"]} == {"jvm.memory.used", "calls.failed"}


def test_several_nearby_records_are_told_by_their_template(tmp_path: Path) -> None:
    burst = [
        log(START + STRUCK * S + 300 * MS + n * MS, f"charged 2690 cents for order-{n}")
        for n in range(15)
    ]
    text = run(*write(tmp_path, [*records(), *burst])).stdout
    assert "charged <*> cents for <*>" in text
    assert "cents for order-" not in text


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.9, 1.0, "among the slowest 10 % of 402 others"),
        (0.0, 0.25, "among the fastest 25 % of 402 others"),
        (0.4, 0.6, "slower than at least 40 %, at most 60 % of 402 others"),
        (0.5, 0.5, "slower than 50 % of 402 others"),
        (0.0, 1.0, "about as slow as 402 others"),
    ],
)
def test_a_range_of_ranks_reads_as_one(low: float, high: float, words: str) -> None:
    now = {"p50_ns": None, "rate_per_second": 1.0, "error_ratio": 0.0}
    red = {"faster_share_low": low, "faster_share_high": high, "others": 402, "now": now,
           "before": None}  # fmt: skip
    place = {"service": "pay", "operation": "x", "red": red, "logs": {"worst": []}, "nearby": [],
             "patterns": [], "metrics": []}  # fmt: skip
    console = Console(width=200)
    with console.capture() as shown:
        for part in context_of_trace({"places": [place], "gaps": []}, 0):
            console.print(part)
    assert f"this one is {words}; 1 a second" in shown.get()
