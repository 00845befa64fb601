"""Cold starts, by the names of spans and by what functions say of themselves."""

from __future__ import annotations

import pytest

from longpole.analyzer.findings.cold_start import COLD_START, is_first_time
from longpole.model.finding import FindingSeverity
from tests.analyzer.findings.stories import CLIENT, INTERNAL, MS, SERVER, Story

FIRST_TIME = [
    "load model", "Loading ML model", "ModelLoader.loadModel", "load_weights", "initialize",
    "init_connection_pool", "Initialization", "bootstrap application", "warm-up", "cold start",
    "cache warmup", "load configuration", "open search index", "start runtime", "load the model",
    "initialise driver",
]  # fmt: skip
EVERY_TIME = [
    "load order", "load customer data", "init payment", "initiate transfer", "initialize order",
    "GET /models", "start job", "load balancer", "reload page", "read orders", "compile report",
    "open account", "download invoice", "model.predict",
]  # fmt: skip


def request(name: str, took_ms: float, kind: int = INTERNAL, **attributes: bool) -> Story:
    story = Story()
    root = story.add(0, 0, 2_000, "home", "GET /home", SERVER)
    _, callee = story.call(root, 10, 1_990, "home > recommendation", "GET /recommendations")
    story.add(
        callee, 20, 20 + took_ms, "recommendation", name, kind,
        attributes={key.replace("_", "."): value for key, value in attributes.items()},
    )  # fmt: skip
    return story


def test_a_request_that_waits_for_the_model_is_told_what_that_costs() -> None:
    finding = request("load model", 1_500).only(COLD_START)
    assert (finding.service, finding.operation) == ("recommendation", "load model")
    assert finding.severity is FindingSeverity.WARNING
    assert finding.saving_ns == 1_500 * MS
    assert finding.reason == (
        "The request waits while recommendation does load model, work of a new instance: 1.5 s, "
        "75 % of the path."
    )


def test_a_short_load_is_nothing() -> None:
    assert not request("load model", 400).findings(COLD_START)


def test_a_load_that_nobody_waited_for_is_information() -> None:
    story = request("rank", 10)
    story.add(1, 100, 900, "home", "load model")
    story.add(1, 50, 1_980, "home", "render")
    finding = story.only(COLD_START)
    assert (finding.severity, finding.saving_ns) == (FindingSeverity.INFO, 0)


def test_what_is_loaded_inside_of_a_start_is_told_with_it() -> None:
    story = request("initialize", 1_500)
    story.add(4, 100, 1_400, "recommendation", "load model")
    assert story.only(COLD_START).operation == "initialize"


def test_a_function_that_says_it_was_cold_is_believed() -> None:
    finding = request("handler", 1_200, faas_coldstart=True).only(COLD_START)
    assert finding.operation == "handler"
    assert "(faas.coldstart)" in finding.reason
    assert finding.saving_ns == 0, "how much of it was the start, nobody says"
    assert not request("handler", 1_200, faas_coldstart=False).findings(COLD_START)


def test_a_call_to_elsewhere_is_no_start_of_this_process() -> None:
    assert not request("load model", 1_500, CLIENT).findings(COLD_START)


@pytest.mark.parametrize("name", FIRST_TIME)
def test_names_of_work_that_is_done_once(name: str) -> None:
    assert is_first_time(name)


@pytest.mark.parametrize("name", EVERY_TIME)
def test_names_of_work_that_is_done_each_time(name: str) -> None:
    assert not is_first_time(name)
