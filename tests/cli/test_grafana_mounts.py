"""Every dialect answers under its prefix over one store, as the server puts them together."""

from __future__ import annotations

from fastapi import FastAPI

from longpole.analyzer.alerting.board import FixedBoard
from longpole.cli.settings import resolve
from longpole.cli.wiring import mount_grafana
from longpole.model.clock import ManualClock
from longpole.storage.memory import MemoryStore
from tests.grafana.client import Client


def test_each_data_source_finds_its_server_healthy() -> None:
    app = FastAPI()
    clock = ManualClock()
    store = MemoryStore(clock, 0.0, 0.0)
    mount_grafana(app, resolve({}, {}), store, clock, "1.2", FixedBoard())
    client = Client(app)
    assert client.get("/tempo/api/echo").text == "echo"
    assert client.get("/jaeger/api/services").json()["data"] == []
    health = client.post("/prometheus/api/v1/query", {"query": "1+1", "time": "4"})
    assert health.json()["data"] == {"resultType": "scalar", "result": [4, "2"]}
    build = client.get("/prometheus/api/v1/status/buildinfo").json()["data"]
    assert build["revision"] == "longpole-1.2"
    assert client.get("/prometheus/api/v1/labels").json()["data"] == []
