"""`longpole trace --causal`: one path through services, queues and traces."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from longpole.formats.rows import telemetry_of_spans
from longpole.model.span import Span, SpanKind, SpanLink
from tests.cli.command import CHECKOUT, documents, run

GOLDEN = Path(__file__).parent.parent / "golden" / "trace-causal.txt"
SCHEMA = Path(__file__).parent.parent.parent / "docs" / "schemas" / "trace.json"
AT, MS = 1_767_323_045_000_000_000, 10**6
ORDER, MAIL = 0xA1, 0xB2  # trace ids


def _span(
    trace_id: int, span_id: int, parent: int, name: str, service: str, kind: int, times: range
) -> Span:
    begin, end = AT + times.start * MS, AT + times.stop * MS
    return Span(trace_id, span_id, parent, name, kind, begin, end, service)


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An order, shipped by a consumer in the same trace, mailed by one in a trace of its own."""
    destination = {"messaging.destination.name": "orders"}
    spans = [
        _span(ORDER, 1, 0, "POST /orders", "web", SpanKind.SERVER, range(0, 90)),
        _span(ORDER, 2, 1, "INSERT orders", "web", SpanKind.CLIENT, range(10, 40)),
        replace(
            _span(ORDER, 3, 1, "send orders", "web", SpanKind.PRODUCER, range(50, 55)),
            attributes=destination,
        ),
        _span(ORDER, 4, 3, "process orders", "ship", SpanKind.CONSUMER, range(300, 420)),
        _span(ORDER, 5, 4, "book carrier", "ship", SpanKind.CLIENT, range(310, 390)),
        _span(ORDER, 6, 4, "send mails", "ship", SpanKind.PRODUCER, range(395, 400)),
        replace(
            _span(MAIL, 7, 0, "process mails", "mail", SpanKind.CONSUMER, range(1400, 1450)),
            links=(SpanLink(ORDER, 6),),
        ),
    ]
    file = tmp_path_factory.mktemp("messages") / "messages.pb"
    file.write_bytes(telemetry_of_spans(spans).body)
    return file


def test_the_report_reads_as_agreed(messages: Path) -> None:
    result = run("trace", f"{MAIL:032x}", "--causal", "--from", messages)
    assert result.exit_code == 0, result.output
    if os.environ.get("LONGPOLE_RENEW_GOLDEN"):
        GOLDEN.write_text(result.stdout)
    assert result.stdout == GOLDEN.read_text()
    assert all(len(line) <= 100 for line in result.stdout.splitlines())


@pytest.mark.parametrize(
    ("arguments", "duration_ms", "queue_ms", "stretches"),
    [
        ([f"{MAIL:032x}"], 1450, 245 + 1000, 3),
        ([f"{ORDER:032x}"], 420, 245, 2),
        ([f"{ORDER:032x}", "--end", "0000000000000003"], 55, 0, 1),
    ],
)
def test_the_document_adds_up(
    messages: Path, arguments: list[str], duration_ms: int, queue_ms: int, stretches: int
) -> None:
    (report,) = documents("trace", *arguments, "--causal", "--from", messages)
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    causal = report["causal"]
    assert (causal["duration_ns"], causal["queue_ns"]) == (duration_ms * MS, queue_ms * MS)
    assert len(causal["stretches"]) == stretches
    parts = [s["duration_ns"] for s in causal["stretches"]]
    parts += [s["queue"]["duration_ns"] for s in causal["stretches"] if s["queue"]]
    assert sum(parts) == causal["duration_ns"]
    at = causal["start_unix_nano"]
    for stretch in causal["stretches"]:
        at += stretch["queue"]["duration_ns"] if stretch["queue"] else 0
        for segment in stretch["segments"]:
            assert segment["start_unix_nano"] == at
            at = segment["end_unix_nano"]


def test_the_report_of_a_trace_says_that_its_messages_lead_on(messages: Path) -> None:
    assert "--causal" in run("trace", f"{ORDER:032x}", "--from", messages).stdout
    assert "--causal" not in run("trace", "--from", CHECKOUT).stdout


def test_without_messages_the_causal_path_is_the_critical_path() -> None:
    (report,) = documents("trace", "--causal", "--from", CHECKOUT)
    (stretch,) = report["causal"]["stretches"]
    assert stretch["segments"] == report["segments"]


@pytest.mark.parametrize(
    "arguments",
    [["--end", "0000000000000003"], ["--causal", "--end", "00000000000000ff"]],
)
def test_an_end_that_is_not_there_is_refused(messages: Path, arguments: list[str]) -> None:
    assert run("trace", f"{ORDER:032x}", *arguments, "--from", messages).exit_code == 2
