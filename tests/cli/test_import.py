"""Imports: into a directory, into a server, cut into requests, counted to the record."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from longpole.cli.request_pieces import pieces
from longpole.formats import otlp
from longpole.formats.files import read
from longpole.formats.rows import spans_of
from longpole.model.signals import Signal
from tests.cli.command import CHECKOUT, CHECKOUT_ID, documents, run

SCHEMA = Path(__file__).parent.parent.parent / "docs" / "schemas" / "import.json"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory into which the checkout was imported."""
    target = tmp_path_factory.mktemp("import") / "data"
    (document,) = documents("import", CHECKOUT, "--data-dir", target)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert document["imported"] == {"traces": 77, "logs": 1, "metrics": 0}
    assert (document["rejected"], document["unknown"]) == (0, 0)
    return target


def test_an_imported_trace_is_settled_and_reads_as_from_its_file(directory: Path) -> None:
    (from_file,) = documents("trace", CHECKOUT_ID, "--from", CHECKOUT)
    (stored,) = documents("trace", CHECKOUT_ID, "--data-dir", directory)
    assert stored["completeness"]["settled"]
    assert stored == from_file


def test_every_question_is_answered_from_the_directory(directory: Path) -> None:
    at = ("--data-dir", str(directory))
    (totals,) = documents("critical-path", *at)
    (from_file,) = documents("critical-path", "--from", CHECKOUT)
    assert totals == from_file
    (services,) = documents("services", *at)
    assert [s["name"] for s in services["services"]] == [
        "auth-svc", "cart-svc", "pay-svc", "shop-web",
    ]  # fmt: skip
    (status,) = documents("status", *at)
    assert status["addresses"] == {}
    assert status["record_counts"]["traces"] == 77
    (rows,) = documents("sql", "SELECT count(*) AS n FROM spans WHERE duration_ns > 1e9", *at)
    assert rows["rows"] == [[3]]
    for name, document in (("status", status), ("sql", rows)):
        schema = json.loads(SCHEMA.with_name(f"{name}.json").read_text())
        jsonschema.validate(document, schema)


def test_sql_comes_as_a_table_as_csv_and_from_standard_input(directory: Path) -> None:
    at = ("--data-dir", str(directory))
    question = "SELECT '=1+1' AS f, -5 AS n, NULL AS nothing"
    table = run("sql", question, *at)
    assert table.exit_code == 0, table.output
    assert "=1+1" in table.stdout
    csv = run("sql", "--csv", *at, given=question)
    assert csv.stdout_bytes == b"f,n,nothing\r\n'=1+1,-5,\r\n"
    many = run("sql", "SELECT span_id FROM spans", "--max-rows", "2", *at)
    assert "more than 2 rows" in many.stderr
    assert "2 rows" in many.stdout


def test_a_query_that_begins_with_a_comment_is_no_option(directory: Path) -> None:
    for comment in ("-- why\n", "--why\n", "/* why */ "):
        shown = run("sql", f"{comment}SELECT 40 + 2 AS answer", "--csv", "--data-dir", directory)
        assert shown.stdout.split() == ["answer", "42"]
    assert run("sql", "--no-such-option", "--data-dir", directory).exit_code == 2


def test_writing_through_sql_is_refused(directory: Path) -> None:
    refused = run("sql", "DROP TABLE spans", "--data-dir", directory)
    assert refused.exit_code == 2
    assert "SELECT" in refused.stderr


def test_an_import_that_loses_records_is_bad_news(tmp_path: Path) -> None:
    file = tmp_path / "odd.json"
    good = {"traceId": "ab" * 16, "spanId": "cd" * 8, "name": "a", "startTimeUnixNano": "5",
            "endTimeUnixNano": "9"}  # fmt: skip
    spans = [good, {**good, "traceId": "00" * 16}]
    file.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}))
    result = run("import", file, "--json", "--data-dir", tmp_path / "data")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (document["imported"]["traces"], document["rejected"]) == (1, 1)
    assert document["reasons"]


def test_what_is_there_already_is_not_called_imported(directory: Path) -> None:
    result = run("import", CHECKOUT, "--json", "--data-dir", directory)
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert document["imported"] == {"traces": 0, "logs": 0, "metrics": 0}
    assert document["repeated"] == 78
    shown = run("import", CHECKOUT, "--data-dir", directory).stdout
    assert "imported nothing" in shown
    assert "78 records there already" in shown


class Receiver(BaseHTTPRequestHandler):
    """A server that says where it receives, is busy once, and rejects one record."""

    bodies: list[bytes] = []
    busy = 1

    def do_GET(self) -> None:
        port = self.server.server_port  # type: ignore[attr-defined]
        self._answer(200, json.dumps({"addresses": {"http": f"127.0.0.1:{port}"}}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if Receiver.busy:
            Receiver.busy -= 1
            self._answer(503, b"", retry="0")
            return
        Receiver.bodies.append(body)
        rejected = b"\x0a\x07\x08\x01\x12\x03odd" if self.path == "/v1/traces" else b""
        self._answer(200, rejected)

    def _answer(self, status: int, body: bytes, retry: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if retry:
            self.send_header("Retry-After", retry)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Silence."""


@pytest.fixture
def receiver() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_gets_it_over_otlp_and_its_answer_counts(receiver: str) -> None:
    result = run("import", CHECKOUT, "--json", "--url", receiver)
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert document["imported"] == {"traces": 76, "logs": 1, "metrics": 0}
    assert document["rejected"] == 1
    assert document["repeated"] is None  # OTLP's answer does not tell
    assert document["reasons"] == [{"reason": "odd", "count": 1}]
    assert len(spans_of(otlp.decode(Signal.TRACES, Receiver.bodies[0]).tables)) == 77


def test_a_server_accepts_and_says_no_more(receiver: str) -> None:
    assert run("import", CHECKOUT, "--url", receiver).stdout.startswith("accepted 76 spans")


@pytest.mark.parametrize("most_bytes", [1, 500, 3000, 10**9])
def test_pieces_hold_every_span_once(most_bytes: int) -> None:
    (traces, _) = read("checkout.jsonl", CHECKOUT.read_bytes())
    cut = list(pieces(traces, most_bytes))
    for piece in cut:
        assert len(piece.body) < most_bytes or piece.records == 1
    spans = [s for piece in cut for s in spans_of(otlp.decode(piece.signal, piece.body).tables)]
    assert sum(piece.records for piece in cut) == len(spans)
    assert sorted(spans, key=lambda s: s.span_id) == sorted(
        spans_of(traces.tables), key=lambda s: s.span_id
    )
