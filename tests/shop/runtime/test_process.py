"""One service process: found while it lives, drained when it stops, seen by OTLP."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shop.chassis.caller import HttpCaller
from shop.chassis.discovery import RegistryDiscovery
from shop.chassis.heartbeat import Heartbeat, Held
from shop.chassis.ports import CallPolicy, Instance
from shop.chassis.process import listen_on
from shop.chassis.switches import HeldFaults, HeldFlags
from shop.faults.labels import LabelsFile
from shop.registry.api import registry_app
from shop.registry.registry import Registry
from shop.registry.switchboard import Switchboard
from tests.shop.runtime.children_of import started, until
from tests.shop.runtime.otlp_sink import OtlpSink
from tests.shop.runtime.serving import served

TINY_SERVICE = str(Path(__file__).with_name("tiny_service.py"))


class Platform:
    """A registry, and the environment that sends a tiny service to it."""

    def __init__(self, url: str, registry: Registry, folder: Path) -> None:
        self.url, self.registry, self.folder = url, registry, folder

    def environment(self, instance_id: str, **more: str) -> dict[str, str]:
        return {
            "SHOP_SERVICE_NAME": "tiny-service",
            "SHOP_INSTANCE_ID": instance_id,
            "SHOP_REGISTRY_URL": self.url,
            "SHOP_DATA_DIR": str(self.folder),
            "SHOP_HEARTBEAT_SECONDS": "0.1",
            **more,
        }

    def instances(self) -> list[Instance]:
        return self.registry.instances("tiny-service")


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    registry = Registry(
        Switchboard(None, 1), LabelsFile(None), time.monotonic, time.time_ns, ttl_seconds=1.0
    )
    (tmp_path / "ready").touch()
    with served(registry_app(registry)) as url:
        yield Platform(url, registry, tmp_path)


def held() -> Held:
    return Held(RegistryDiscovery(), HeldFaults(), HeldFlags())


def test_a_stopping_service_is_gone_first_and_answers_what_it_has_begun(
    platform: Platform,
) -> None:
    answers: list[httpx.Response] = []
    with started([TINY_SERVICE], platform.environment("tiny-1")) as process:
        until(platform.instances, "the service registered", 20)
        url = f"http://{platform.instances()[0].http}"
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
            assert client.get("/readyz").json() == {"status": "ready"}
            asking = threading.Thread(target=lambda: answers.append(client.get("/slow")))
            asking.start()
            until((platform.folder / "began").exists, "the request began")
            process.terminate()
            until(lambda: not platform.instances(), "the service deregistered")
            # Who has not noticed yet still gets an answer, and a probe is told.
            late = httpx.get(f"{url}/who", trust_env=False)
            assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 503
            assert late.json() == "tiny-1"
            assert not answers
            (platform.folder / "go").touch()
            asking.join(20)

        assert process.wait(10) == 0
    assert [answer.json() for answer in answers] == ["done"]
    assert (platform.folder / "notes").read_text().split() == ["start", "stop"]


def test_a_service_that_is_not_ready_is_not_found(platform: Platform) -> None:
    (platform.folder / "ready").unlink()
    with started([TINY_SERVICE], platform.environment("tiny-1")) as process:
        until((platform.folder / "notes").exists, "the service started", 20)
        assert platform.instances() == []
        (platform.folder / "ready").touch()
        until(platform.instances, "the service registered")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_a_service_is_ready_when_what_it_does_at_its_start_is_done(platform: Platform) -> None:
    (platform.folder / "hold").touch()
    with listen_on("127.0.0.1:0") as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = platform.environment("tiny-1", SHOP_LISTEN=address)
    with started([TINY_SERVICE], environment) as process:
        until((platform.folder / "starting").exists, "the service began to start", 20)
        answer = httpx.get(f"http://{address}/readyz", trust_env=False)
        assert answer.status_code == 503
        assert answer.json() == {"status": "not ready", "missing": ["starting"]}
        assert httpx.get(f"http://{address}/healthz", trust_env=False).status_code == 200
        (platform.folder / "hold").unlink()
        until(platform.instances, "the service registered")
        assert httpx.get(f"http://{address}/readyz", trust_env=False).status_code == 200
        process.terminate()
        assert process.wait(10) == 0


def test_callers_go_on_with_the_other_instance_when_one_is_killed(platform: Platform) -> None:
    mine = held()
    asker = Instance("asker", "asker-1", "1", "node-a", "127.0.0.1:1")
    heartbeat = Heartbeat(platform.url, asker, mine, seconds=0.1)
    # Nobody reads what they print, and a full pipe would stop them.
    calm = {"SHOP_LOG_LEVEL": "WARNING"}
    with (
        started([TINY_SERVICE], platform.environment("tiny-1", **calm)) as doomed,
        started([TINY_SERVICE], platform.environment("tiny-2", **calm)),
    ):
        until(lambda: len(platform.instances()) == 2, "both registered", 20)
        heartbeat.start()
        caller = HttpCaller("tiny-service", CallPolicy(), mine.discovery)
        try:
            assert {caller.request("GET", "/who").json() for _ in range(8)} == {"tiny-1", "tiny-2"}
            os.kill(doomed.pid, signal.SIGKILL)
            killed_at = time.monotonic()
            while len(mine.discovery.instances("tiny-service")) == 2:
                # The registry does not know yet; whoever calls finds out, and goes on.
                assert caller.request("GET", "/who").json() == "tiny-2"
                assert time.monotonic() - killed_at < 5
            assert caller.request("GET", "/who").json() == "tiny-2"
        finally:
            caller.close()
            heartbeat.stop()
    assert [each.instance_id for each in platform.registry.instances("asker")] == []


def test_heartbeats_bring_switches_and_outlive_the_registry(tmp_path: Path) -> None:
    registry = Registry(Switchboard(None, 1), LabelsFile(None), time.monotonic, time.monotonic_ns)
    mine = held()
    asker = Instance("asker", "asker-1", "1", "node-a", "127.0.0.1:1")
    with served(registry_app(registry)) as url:
        heartbeat = Heartbeat(url, asker, mine, seconds=0.05)
        heartbeat.start()
        # Both return when the heartbeat has told that it applied them.
        assert registry.switch_on("payment-slow", {"seconds": 1}).missing == []
        assert mine.faults.active("payment-slow") == {"seconds": 1.0}
        registry.set_flag("ranking", {"on": 1})
        assert mine.flags.variant("ranking", "off", "user-1") == "on"
    assert mine.faults.active("payment-slow") == {"seconds": 1.0}
    assert len(mine.discovery.instances("asker")) == 1
    heartbeat.stop()


def test_requests_are_seen_but_health_and_heartbeats_are_not(platform: Platform) -> None:
    with OtlpSink() as sink:
        environment = platform.environment(
            "tiny-1", OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, SHOP_HOST_NAME="node-x"
        )
        with started([TINY_SERVICE], environment) as process:
            until(platform.instances, "the service registered", 20)
            address = platform.instances()[0].http
            with httpx.Client(base_url=f"http://{address}", trust_env=False) as client:
                for path in ("/healthz", "/readyz", "/openapi.json", "/who"):
                    assert client.get(path).status_code == 200
            process.terminate()
            printed = process.communicate(timeout=20)[0].splitlines()

        (span,) = sink.spans
        assert (span.name, span.kind) == ("GET /who", "SERVER")
        assert span.attributes["http.route"] == "/who"
        assert span.attributes["http.response.status_code"] == 200
        host, _, port = address.partition(":")
        assert span.attributes["server.address"] == host
        assert span.attributes["server.port"] == int(port)
        assert span.resource["host.name"] == "node-x"
        assert span.resource["service.instance.id"] == "tiny-1"
        assert ("tiny-service", "http.server.request.duration") in sink.metrics
        (log,) = [log for log in sink.logs if log.body == "asked"]
        assert log.trace_id == span.trace_id
        lines: list[dict[str, Any]] = [json.loads(line) for line in printed]
        (line,) = [line for line in lines if line["message"] == "asked"]
        assert (line["trace_id"], line["span_id"]) == (span.trace_id, span.span_id)


@pytest.mark.full
def test_an_endpoint_where_nobody_listens_does_not_delay_the_end(platform: Platform) -> None:
    environment = platform.environment("tiny-1", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    with started([TINY_SERVICE], environment) as process:
        until(platform.instances, "the service registered", 20)
        httpx.get(f"http://{platform.instances()[0].http}/who", trust_env=False)
        process.terminate()

        assert process.wait(8) == 0
