"""Made telemetry: distinct records, the same in every encoding, sent until it is taken."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import jsonschema
import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.cli.loadgen.batches import TIME_BITS, Batches
from longpole.cli.loadgen.mixing import mixed, unmixed
from longpole.cli.loadgen.placeholders import Kind, Placeholders
from longpole.cli.loadgen.plan import Plan
from longpole.cli.loadgen.senders import Answer
from longpole.cli.loadgen.worker import Tally, deliver
from longpole.formats import otlp
from longpole.model.clock import ManualClock
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry
from tests.cli.command import run
from tests.flow.server_process import running

SCHEMA = Path(__file__).parent.parent.parent / "docs" / "schemas" / "loadgen.json"
FEW = 100  # records in templates
NOW = 1_790_000_000_000_000_000
RECORDS = {Signal.TRACES: "spans", Signal.LOGS: "logs", Signal.METRICS: "metric_points"}


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_mixed_counters_can_be_told_back(counters: list[int]) -> None:
    numbers = np.array(counters, np.uint64)
    assert (unmixed(mixed(numbers)) == numbers).all()


def decoded(plan: Plan, number: int, batches: Batches) -> Telemetry:
    body = batches.request(number, NOW)
    decode = otlp.decode_json if plan.protocol == "http/json" else otlp.decode
    return decode(plan.signal, body)


@pytest.mark.parametrize("signal", list(Signal))
@pytest.mark.parametrize("batch", [1, 50])
def test_json_and_protobuf_carry_the_same_records(signal: Signal, batch: int) -> None:
    found = []
    for protocol in ("grpc", "http/json"):
        plan = Plan("", signal, protocol, batch=batch)
        batches = Batches(plan, 0, FEW)
        telemetry = decoded(plan, 5, batches)
        assert (telemetry.accepted, telemetry.rejected, telemetry.problems) == (batch, 0, ())
        found.append(telemetry.tables[RECORDS[signal]])
    assert found[0].equals(found[1])


def test_no_two_placeholders_begin_or_end_alike() -> None:
    made = Placeholders(seed=3)
    texts = [made.token() for _ in range(60_000)]
    assert len({text[:8] for text in texts}) == len(texts)
    times = [str(made.time(Kind.START)) for _ in range(20_000)]
    assert len({text[-8:] for text in times}) == len(times)


def test_spans_of_a_run_are_distinct_and_say_which_they_are() -> None:
    plan = Plan("", batch=40, attributes=10, seed=3)
    batches = Batches(plan, 0, FEW)
    spans = [decoded(plan, number, batches).tables["spans"] for number in range(200)]
    ids = np.concatenate([table["span_id"].to_numpy() for table in spans])
    assert sorted(unmixed(ids) - np.uint64(plan.id_base)) == list(range(200 * 40))
    texts = [
        text for table in spans for text in pc.list_flatten(table["attr_str_vals"]).to_pylist()
    ]
    seen = set(texts)
    # Two of ten attributes have a value of their own in every span.
    assert len(seen) >= 2 * 200 * 40
    parents = set(spans[0]["parent_span_id"].to_pylist()) - {0}
    assert parents <= set(spans[0]["span_id"].to_pylist())


def test_points_of_a_request_say_which_request_it_was() -> None:
    plan = Plan("", Signal.METRICS, batch=30)
    batches = Batches(plan, 0, FEW)
    points = decoded(plan, 77, batches).tables["metric_points"]
    assert {time & ((1 << TIME_BITS) - 1) for time in points["time_unix_nano"].to_pylist()} == {77}


class Moody:
    """Gives these answers in turn, and keeps what it was sent."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []

    async def send(self, body: bytes) -> Answer:
        self.bodies.append(body)
        return self.answers.pop(0)

    async def close(self) -> None:
        pass


def test_a_refused_request_is_sent_again_as_it_was() -> None:
    tally = Tally()
    moody = Moody(Answer(False, 0, 0.0, "HTTP 503"), Answer(True))
    asyncio.run(deliver(Plan(""), moody, 4, b"body", 0.0, ManualClock(), tally))
    assert moody.bodies == [b"body", b"body"]
    assert (tally.acknowledged, dict(tally.refusals)) == ([4], {"HTTP 503": 1})


@pytest.mark.parametrize("is_answered", [True, False])
def test_what_got_no_answer_is_not_called_dropped(is_answered: bool) -> None:
    tally = Tally()
    moody = Moody(Answer(False, 0, None, "gone", is_answered))
    asyncio.run(deliver(Plan(""), moody, 4, b"", 0.0, ManualClock(), tally))
    assert (tally.dropped, tally.unknown) == (([4], []) if is_answered else ([], [4]))


def test_a_server_has_everything_that_it_acknowledged(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        server.get("/api/v1/status")  # answers once the pages are there
        for protocol in ("grpc", "http/json"):
            told = run(
                "loadgen", "--data-dir", server.data_dir, "--seconds", "1", "--rate", "400",
                "--batch", "20", "--workers", "1", "--protocol", protocol, "--check", "--json",
                "--service-prefix", protocol.replace("/", "-"),
            )  # fmt: skip
            assert told.exit_code == 0, told.output
            document = json.loads(told.stdout)
            assert document["acknowledged_records"] >= 20
            found = {
                "found": document["acknowledged_records"],
                "lost": 0,
                "doubled": 0,
                "unsure": 0,
            }
            assert document["stored"] == found
            jsonschema.validate(document, json.loads(SCHEMA.read_text()))


def test_nobody_there_is_bad_news() -> None:
    told = run("loadgen", "--endpoint", "127.0.0.1:1", "--seconds", "0.1", "--workers", "1",
               "--protocol", "http/protobuf", "--connections", "1", "--batch", "1",
               "--patience", "0", "--json")  # fmt: skip
    document = json.loads(told.stdout)
    assert told.exit_code == 1
    assert document["acknowledged_requests"] == 0
    assert document["refusals"]
