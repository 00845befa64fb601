"""recommendation-service: its flag, its fallback, and the faults it can show."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shop.chassis.errors import DependencyError
from shop.chassis.ports import Database
from shop.recommendation.client import RecommendationClient
from shop.recommendation.contract import BESTSELLERS
from shop.recommendation.logic import CanaryDefect, RecommendationLogic
from shop.recommendation.model import HeldModel, Model, read_model
from shop.recommendation.service import build
from shop.recommendation.tables import SCHEMA
from tests.shop.gateway.recorded import Recorded, attributes, recorded
from tests.shop.inventory.stage import Stage, staged


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


@pytest.fixture
def spans() -> Iterator[Recorded]:
    with recorded() as seen:
        yield seen


@pytest.fixture
def database(stage: Stage) -> Iterator[Database]:
    pool = {"database_pool_size": 1, "database_pool_timeout_seconds": 0.05}
    opened = stage.chassis("recommendation-service", **pool).database(SCHEMA)
    yield opened
    opened.close()


Make = Callable[..., RecommendationLogic]


@pytest.fixture
def logic(stage: Stage, database: Database) -> Make:
    def make(
        version: str = "1.4.0",
        wait: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = lambda: 1.0,
    ) -> RecommendationLogic:
        held = stage.held
        model = HeldModel(held.faults)
        model.warm_up()
        return RecommendationLogic(
            database, held.faults, held.flags, model, version, wait=wait, chance=chance
        )

    return make


def _bought(database: Database) -> None:
    with database.transaction() as transaction:
        transaction.execute("INSERT INTO popularity (sku, bought) VALUES ('sku-9', 10)")
        transaction.execute(
            "INSERT INTO tastes (user_id, sku, bought) VALUES ('user-1', 'sku-40', 3)"
        )


def test_the_flag_decides_how_somebody_is_ranked(
    stage: Stage, logic: Make, database: Database
) -> None:
    _bought(database)
    recommend = logic()
    popular = recommend.for_user("user-1", 1)
    assert (popular.items[0].sku, popular.model) == ("sku-9", "traits-2026-10-popular")
    stage.held.flags.hold({"recommendation-ranking": {"variants": {"personal": 1}}})
    personal = recommend.for_user("user-1", 1)
    assert (personal.items[0].sku, personal.model) == ("sku-40", "traits-2026-10-personal")
    assert not personal.is_fallback


def test_the_evaluation_of_the_flag_is_on_the_span(stage: Stage, spans: Recorded) -> None:
    stage.held.flags.hold({"recommendation-ranking": {"variants": {"personal": 1}}})
    stage.start(build, "recommendation-service", version="1.5.0")
    client = RecommendationClient(stage.caller("recommendation-service"))
    assert len(client.for_user("user-1", 3).items) == 3
    both = spans.wait("GET /v1/recommendations", 2)
    (server,) = [span for span in both if span.kind.name == "SERVER"]
    assert attributes(server)["feature_flag.result.variant"] == "personal"
    assert [event.name for event in server.events] == ["feature_flag.evaluation"]


def test_without_its_database_everybody_gets_the_bestsellers(
    logic: Make, database: Database
) -> None:
    recommend = logic()
    with database.leak_connections(1):
        answer = recommend.for_user("user-1", 3)
    assert answer.is_fallback
    assert answer.items == list(BESTSELLERS[:3])
    assert not recommend.for_user("user-1", 3).is_fallback


def test_a_warm_instance_never_loads_its_model_again(stage: Stage, spans: Recorded) -> None:
    reads: list[Model] = []

    def read() -> Model:
        reads.append(read_model())
        return reads[-1]

    model = HeldModel(stage.held.faults, read=read)
    model.warm_up()
    assert model.get() is model.get() is reads[0]
    assert spans.named("load model") == []


def test_with_the_fault_a_warm_instance_is_restarted_once_and_answers_meanwhile(
    stage: Stage, spans: Recorded
) -> None:
    restarts: list[bool] = []
    model = HeldModel(stage.held.faults, lambda: restarts.append(True))
    model.warm_up()
    model.get()
    assert restarts == []
    stage.break_it("recommendation-cold-start")
    model.get()
    model.get()
    assert restarts == [True]
    assert spans.named("load model") == []
    stage.mend()
    model.get()
    stage.break_it("recommendation-cold-start")
    model.get()
    assert restarts == [True, True]


def test_a_cold_start_of_the_successor_is_paid_once_by_all_who_come_meanwhile(
    stage: Stage, spans: Recorded
) -> None:
    is_loading, may_go_on = threading.Event(), threading.Event()
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        is_loading.set()
        assert may_go_on.wait(10)

    stage.break_it("recommendation-cold-start")
    model = HeldModel(stage.held.faults, lambda: pytest.fail("a restart for ever"), wait=wait)
    model.warm_up()
    visitors = [threading.Thread(target=model.get) for _ in range(3)]
    for visitor in visitors:
        visitor.start()
    assert is_loading.wait(10)
    may_go_on.set()
    for visitor in visitors:
        visitor.join(10)
    assert waits == [1.5]
    seen = [attributes(span) for span in spans.named("load model")]
    # One of them loads; who else comes meanwhile says in a span of its own that it waited.
    assert [each["shop.model.waited_for_another"] for each in seen].count(False) == 1
    loaded = len(seen)
    model.get()
    stage.mend()
    model.get()
    assert (len(spans.named("load model")), waits) == (loaded, [1.5])


def test_the_restart_is_asked_of_the_process_and_not_of_the_canary(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: signals.append((pid, number)))
    for version in ("1.5.0", "1.4.0"):
        assert signals == []
        stage.mend()
        service = f"recommendation-service-{version}"
        stage.start(build, service, version=version)
        client = RecommendationClient(stage.caller(service))
        client.for_user("user-1", 1)
        stage.break_it("recommendation-cold-start")
        client.for_user("user-1", 1)
    assert signals == [(os.getpid(), signal.SIGTERM)]


def test_a_bad_canary_is_slow_and_fails_for_a_share_of_its_requests(
    stage: Stage, logic: Make
) -> None:
    waits: list[float] = []
    draws = iter([0.19, 0.2, 0.9])
    stage.break_it("recommendation-bad-canary")
    canary = logic("1.5.0", wait=waits.append, chance=lambda: next(draws))
    with pytest.raises(CanaryDefect):
        canary.for_user("user-1", 1)
    assert canary.for_user("user-1", 1).items
    assert canary.for_user("user-1", 1).items
    assert waits == [0.6] * 3


def test_the_old_version_stays_good_and_so_does_the_new_one_without_the_fault(
    stage: Stage, logic: Make
) -> None:
    waits: list[float] = []
    logic("1.5.0", wait=waits.append).for_user("user-1", 1)
    stage.break_it("recommendation-bad-canary")
    logic("1.4.0", wait=waits.append).for_user("user-1", 1)
    assert waits == []


def test_the_defect_reaches_the_caller_as_a_failure_without_its_words(
    stage: Stage, spans: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    stage.break_it("recommendation-bad-canary", milliseconds=0, failure_share=1)
    stage.start(build, "recommendation-service", version="1.5.0")
    client = RecommendationClient(stage.caller("recommendation-service"))
    with pytest.raises(DependencyError) as failure, caplog.at_level(logging.ERROR):
        client.for_user("user-1", 1)
    assert "neighbours" not in str(failure.value)
    both = spans.wait("GET /v1/recommendations", 2)
    assert {span.status.status_code.name for span in both} == {"ERROR"}
