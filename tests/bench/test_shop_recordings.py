"""The yardstick is true itself: what is recorded is what was sent, and only the truth is right."""

from __future__ import annotations

import json
from pathlib import Path

import zstandard
from bench.accuracy import is_passed, summary
from bench.shop_recordings.accuracy_page import accuracy_page
from bench.shop_recordings.judging import Judged, Said, judged
from bench.shop_recordings.receiver import SIGNALS, receiving
from bench.shop_recordings.recording import faults, missing
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from longpole.cli.telemetry_files import content_of, telemetry_in

TRACES = Path(__file__).parent.parent / "analyzer" / "findings" / "recordings"
EVER = [0, 4_000_000_000_000_000_000]


def recording(folder: Path, trace: str, fault: str, **more: object) -> Path:
    """A folder as the recorder writes it, with one trace that really happened."""
    at = TRACES / f"{trace}.json"
    bodies = dict.fromkeys(SIGNALS, b"")
    for telemetry in telemetry_in(at, content_of(at)):
        bodies[telemetry.signal.value] += telemetry.body
    for signal, body in bodies.items():
        (folder / f"{signal}.pb.zst").write_bytes(zstandard.compress(body))
    label = {"fault": fault, "seed": 1, "healthy": EVER, "faulty": EVER, **more}
    (folder / "label.json").write_text(json.dumps(label))
    return folder


def test_a_recording_of_a_fault_is_right_when_its_first_line_says_so(tmp_path: Path) -> None:
    name = "saga-missing-compensation"
    result = judged(recording(tmp_path, name, name), faults()[name])
    assert result.trace_id
    assert result.is_right, result


def test_of_the_traces_only_those_in_the_ledger_are_affected(tmp_path: Path) -> None:
    name = "saga-missing-compensation"
    trace_id = judged(recording(tmp_path, name, name), faults()[name]).trace_id
    told = judged(recording(tmp_path, name, name, affected=[trace_id]), faults()[name])
    assert (told.affected, told.trace_id, told.median_trace_id) == (1, trace_id, trace_id)
    assert told.by_verdict.place == told.by_median.place == told.expected

    spared = judged(recording(tmp_path, name, name, affected=["ab" * 16]), faults()[name])
    assert (spared.affected, spared.trace_id, spared.by_verdict) == (0, "", Said())


def test_the_same_recording_is_wrong_for_another_fault(tmp_path: Path) -> None:
    result = judged(
        recording(tmp_path, "saga-missing-compensation", "payment-slow"), faults()["payment-slow"]
    )
    assert not result.is_right


def test_a_healthy_trace_has_no_warning(tmp_path: Path) -> None:
    assert judged(recording(tmp_path, "healthy", "healthy"), None).warnings == 0


def test_the_receiver_keeps_what_an_exporter_sends() -> None:
    with receiving() as receiver:
        provider = TracerProvider(resource=Resource({"service.name": "a-service"}))
        exporter = OTLPSpanExporter(endpoint=receiver.address, insecure=True)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        for name in ("one", "two"):
            with provider.get_tracer("t").start_as_current_span(name):
                pass
        provider.shutdown()
        sent = ExportTraceServiceRequest.FromString(receiver.taken()["traces"])
        assert receiver.taken()["traces"] == b""
    names = [s.name for r in sent.resource_spans for c in r.scope_spans for s in c.spans]
    assert names == ["one", "two"]


def test_a_cut_off_recording_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "label.json").write_text("{}")
    (tmp_path / "cut-off").mkdir()
    (tmp_path / "cut-off" / "traces.pb.zst").write_bytes(b"")
    assert missing(tmp_path, ["whole", "cut-off", "never"]) == ["cut-off", "never"]


def said(right: bool) -> Judged:
    """One result of a made-up fault."""
    truth = ("slow_db_query", "a", "SELECT x")
    first = Said(*truth) if right else Said("chatty_service", "a", "GET /x")
    return Judged(1, "a-fault", truth, first, visible="window")


def test_nine_of_ten_pass_and_eight_do_not() -> None:
    assert is_passed([said(True)] * 9 + [said(False)])
    assert not is_passed([said(True)] * 8 + [said(False)] * 2)
    assert not is_passed([])


def test_one_warning_in_a_healthy_minute_fails() -> None:
    loud = Judged(2, "healthy", ("", "", ""), Said("pause", "a", "b", "warning"), warnings=1)
    assert not is_passed([said(True), loud])
    assert summary([said(True), loud]) == {"a-fault": "1/1", "healthy": "0/1"}


def test_the_page_names_what_is_below_the_gate_and_what_was_said_instead() -> None:
    page = accuracy_page([said(True), said(False)], "Measured today.")
    assert "| a-fault | window | 1 of 2 **below 9 of 10** | 1 | - |" in page
    assert "| 1 | a-fault | `chatty_service` a › GET /x | nothing |" in page
