"""`python -m shop up`: the whole shop starts, can be broken, comes back and leaves nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from shop.faults.labels import read_labels
from tests.shop.runtime.children_of import line_of, lives, started, until
from tests.shop.runtime.otlp_sink import OtlpSink, SentSpan

MOST_PSS_MIB = 900
# Of processor time: how long the start takes depends on who else is at work.
MOST_START_SECONDS = 8.0
# One that a busy machine made slow is told from those then.
SLOW_QUERIES = 6


@dataclass
class Shop:
    """A shop that is ready, its addresses and its processes."""

    process: subprocess.Popen[str]
    urls: dict[str, str]
    seconds_to_start: float
    cpu_seconds_to_start: float = 0.0
    pids: dict[int, str] = field(default_factory=dict)

    def look(self) -> None:
        for child in psutil.Process(self.process.pid).children(recursive=True):
            self.pids[child.pid] = child.name()

    def cpu_seconds(self) -> float:
        everybody = [psutil.Process(self.process.pid)]
        everybody += everybody[0].children(recursive=True)
        return sum(sum(each.cpu_times()[:2]) for each in everybody)

    def pss_mib(self) -> float:
        everybody = [psutil.Process(self.process.pid)]
        everybody += everybody[0].children(recursive=True)
        return sum(each.memory_full_info().pss for each in everybody) / 2**20

    def registry(self, method: str, path: str, **more: Any) -> Any:
        answer = httpx.request(
            method, self.urls["registry"] + path, timeout=10, trust_env=False, **more
        )
        assert answer.is_success, answer.text
        return answer.json()

    def instances(self, service: str) -> list[dict[str, Any]]:
        told = self.registry("GET", f"/v1/instances?service={service}")
        return list(told["instances"])

    def is_closed(self) -> bool:
        for url in self.urls.values():
            try:
                httpx.get(url, timeout=1, trust_env=False)
            except httpx.TransportError:
                continue
            return False
        return not any(map(lives, self.pids))


@contextmanager
def up(*arguments: str) -> Iterator[Shop]:
    began = time.monotonic()
    with started(["-m", "shop", "up", *arguments]) as process:
        words = line_of(process).split()
        assert words[:2] == ["shop", "ready"], words
        urls = dict(word.split("=", 1) for word in words[2:])
        shop = Shop(process, urls, time.monotonic() - began)
        shop.look()
        shop.cpu_seconds_to_start = shop.cpu_seconds()
        yield shop
        if process.poll() is None:
            shop.look()
            process.kill()
        until(shop.is_closed, "everything ended", 15)


@dataclass
class Story:
    """One run of the shop and what was seen of it: told once, judged by several tests."""

    shop: Shop
    sink: OtlpSink
    labels: Sequence[dict[str, Any]] = ()
    applied: Any = None
    label: Any = None
    pss_mib: float = 0.0
    exit_code: int = -1
    seconds_to_apply: float = 0.0
    seconds_to_stop: float = 0.0
    restarted_at: str = ""


def _slow_queries(sink: OtlpSink) -> list[SentSpan]:
    return [
        span
        for span in sink.spans
        if span.name == "SELECT card_history" and span.end - span.start > 300_000_000
    ]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("shop")
    labels = folder / "labels.jsonl"
    arguments = ["--rate", "4", "--labels", str(labels), "--data-dir", str(folder / "data")]
    with OtlpSink() as sink, up(*arguments, "--otlp-endpoint", sink.endpoint) as shop:
        told = Story(shop, sink)
        sink.wait(lambda seen: any(span.name == "POST /v1/orders" for span in seen.spans))
        told.pss_mib = shop.pss_mib()

        began = time.monotonic()
        slower = {"parameters": {"seconds": 0.3}}
        told.applied = shop.registry("PUT", "/v1/faults/payment-slow-query", json=slower)
        told.seconds_to_apply = time.monotonic() - began
        shop.registry("PUT", "/v1/faults/saga-ship-fails")
        sink.wait(lambda seen: len(_slow_queries(seen)) >= SLOW_QUERIES, 60.0)
        told.label = shop.registry("DELETE", "/v1/faults/payment-slow-query")

        (user,) = shop.instances("user-service")
        os.kill(pid_listening_on(shop, user["http"]), signal.SIGKILL)
        until(lambda: others(shop, "user-service", user["http"]), "user-service came back", 15)
        told.restarted_at = others(shop, "user-service", user["http"])[0]["http"]

        shop.look()
        began = time.monotonic()
        shop.process.send_signal(signal.SIGTERM)
        told.exit_code = shop.process.wait(30)
        told.seconds_to_stop = time.monotonic() - began
        assert shop.is_closed()
        told.labels = read_labels(labels)
        yield told


def pid_listening_on(shop: Shop, address: str) -> int:
    port = int(address.rpartition(":")[2])
    for pid in shop.pids:
        if any(
            each.laddr.port == port
            for each in psutil.Process(pid).net_connections("tcp")
            if each.status == psutil.CONN_LISTEN
        ):
            return pid
    raise AssertionError(f"nobody listens on {address}")


def others(shop: Shop, service: str, address: str) -> list[dict[str, Any]]:
    return [each for each in shop.instances(service) if each["http"] != address]


def test_it_starts_soon_and_takes_little_memory(story: Story) -> None:
    print(
        f"shop: ready in {story.shop.seconds_to_start:.1f} s"
        f" ({story.shop.cpu_seconds_to_start:.1f} s of processor time),"
        f" {story.pss_mib:.0f} MiB (PSS) in {len(story.shop.pids)} processes,"
        f" fault applied in {story.seconds_to_apply:.1f} s,"
        f" stopped in {story.seconds_to_stop:.1f} s"
    )

    assert story.shop.cpu_seconds_to_start < MOST_START_SECONDS
    assert story.pss_mib < MOST_PSS_MIB


def test_it_stops_with_0_and_leaves_no_process_and_no_port(story: Story) -> None:
    assert story.exit_code == 0
    assert story.shop.is_closed()


def test_a_fault_is_known_everywhere_when_the_switch_returns(story: Story) -> None:
    assert story.applied["missing"] == []


def test_the_slow_queries_lie_in_the_labelled_window(story: Story) -> None:
    slow = _slow_queries(story.sink)

    assert slow
    assert all(span.service == "payment-service" for span in slow)
    # A request that had asked for the switch's position before it was off may run over the end.
    begin, end = story.label["start_unix_nano"], story.label["end_unix_nano"] + 5e8
    outside = [span for span in slow if span.end < begin or span.start > end]
    # A machine that is busy with other things makes a query slow now and then.
    assert len(outside) <= len(slow) / 5


def test_labels_are_written_also_for_what_was_on_at_the_end(story: Story) -> None:
    first, last = story.labels

    assert first == story.label
    assert first["parameters"] == {"seconds": 0.3}
    assert last["fault"] == "saga-ship-fails"
    assert last["start_unix_nano"] < last["end_unix_nano"]


def test_a_killed_service_comes_back_at_another_port(story: Story) -> None:
    assert re.fullmatch(r"127\.0\.0\.1:\d+", story.restarted_at)


def test_every_span_says_where_it_comes_from(story: Story) -> None:
    services = {span.service for span in story.sink.spans}

    assert services == {
        "gateway",
        "user-service",
        "order-service",
        "payment-service",
        "inventory-service",
        "shipping-service",
        "notification-service",
        "recommendation-service",
    }
    hosts = {span.resource["host.name"] for span in story.sink.spans}
    assert hosts == {"node-a", "node-b", "node-c", "node-d"}
    assert {"1.4.0", "1.5.0"} >= {span.resource["service.version"] for span in story.sink.spans}


def test_a_saga_is_named_on_every_span_below_it(story: Story) -> None:
    sagas = {span.trace_id: span for span in story.sink.spans if span.name == "saga checkout"}
    charges = [span for span in story.sink.spans if span.name.endswith("PaymentService/Charge")]

    assert {span.kind for span in charges} == {"CLIENT", "SERVER"}
    for span in charges:
        assert span.attributes["saga.id"] == sagas[span.trace_id].attributes["saga.id"]
        assert span.attributes["rpc.response.status_code"]


def test_span_names_have_no_ids(story: Story) -> None:
    with_ids = {
        span.name
        for span in story.sink.spans
        if re.search(r"user-\d|sku-\d|[0-9a-f]{12}", span.name)
    }

    assert with_ids == set()


@pytest.mark.full
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_however_it_ends(number: signal.Signals) -> None:
    with up("--rate", "4") as shop:
        shop.process.send_signal(number)
        code = shop.process.wait(30)

        assert code == (0 if number == signal.SIGINT else -signal.SIGKILL)
        until(shop.is_closed, "everything ended", 15)


@pytest.mark.full
def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    starter = (
        "import subprocess, sys;"
        "p = subprocess.Popen([sys.executable, *sys.argv[1:]]); print(p.pid, flush=True); p.wait()"
    )
    arguments = ["-m", "shop", "up", "--no-load", "--data-dir", str(tmp_path)]
    with started(["-c", starter, *arguments]) as process:
        supervisor = int(line_of(process))
        assert line_of(process).startswith("shop ready")
        pids = [child.pid for child in psutil.Process(supervisor).children()]
        process.kill()
        process.wait()

        until(lambda: not any(map(lives, [supervisor, *pids])), "everything ended", 20)


@pytest.mark.full
def test_the_duration_ends_it() -> None:
    with up("--rate", "4", "--duration", "3") as shop:
        assert shop.process.wait(30) == 0


def test_no_work_of_starting_up_is_a_trace(story: Story) -> None:
    roots = [span for span in story.sink.spans if not span.parent_id]
    assert roots
    assert {span.kind for span in roots} <= {"SERVER", "INTERNAL", "CONSUMER"}
