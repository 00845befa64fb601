"""What a command says when the address that it asks belongs to somebody else."""

from __future__ import annotations

import httpx
import pytest

from longpole.cli.exit_codes import NoAnswer
from longpole.cli.http_source import HttpSource


def test_the_alerts_of_a_prometheus_are_not_taken_for_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"status": "success", "data": {"alerts": []}}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    client = httpx.Client(transport=transport, base_url="http://prometheus:9090")
    monkeypatch.setattr(httpx, "Client", lambda **_: client)
    with (
        HttpSource("http://prometheus:9090", None) as source,
        pytest.raises(NoAnswer, match="not as a Longpole server does"),
    ):
        source.alerts()
