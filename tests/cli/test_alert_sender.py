from __future__ import annotations

import pytest

from longpole.analyzer.alerting.notifications import Notice, alertmanager_alerts
from longpole.cli import alert_sender
from longpole.cli.alert_sender import Receiver
from tests.cli.alert_sink import Sink, listening
from tests.flow.server_process import eventually


def notice(number: int, is_news: bool = True) -> Notice:
    labels = (("alertname", "A"), ("n", str(number)))
    return Notice(labels, (), 1.0, 1_000, 2_000, 3_000, False, is_news, "http://here/graph")


def test_many_alerts_go_in_batches() -> None:
    with listening(Sink()) as sink:
        receiver = Receiver(sink.url, alertmanager_alerts, tries=1, is_news_only=False)
        receiver.put([notice(number) for number in range(600)])
        receiver.start()
        receiver.stop(20)
    assert [len(body) for body in sink.bodies] == [256, 256, 88]
    assert receiver.sent == 600
    assert sink.bodies[0][0] == {
        "labels": {"alertname": "A", "n": "0"}, "annotations": {},
        "startsAt": "1970-01-01T00:00:02.000Z", "endsAt": "1970-01-01T00:00:03.000Z",
        "generatorURL": "http://here/graph",
    }  # fmt: skip


def test_a_full_queue_drops_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_sender, "QUEUE", 3)
    with listening(Sink()) as sink:
        receiver = Receiver(sink.url, alertmanager_alerts, tries=1, is_news_only=False)
        receiver.put([notice(number) for number in range(5)])
        receiver.start()
        receiver.stop(20)
    assert [alert["labels"]["n"] for alert in sink.bodies[0]] == ["2", "3", "4"]
    assert receiver.dropped == 2


def test_a_webhook_hears_only_news_and_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_sender, "WEBHOOK_PAUSE_SECONDS", 0.01)
    with listening(Sink(refuse=2)) as sink:
        receiver = Receiver(sink.url, alertmanager_alerts, tries=5, is_news_only=True)
        receiver.put([notice(1), notice(2, is_news=False)])
        receiver.start()
        eventually(lambda: receiver.sent == 1, 20)
        receiver.stop(20)
    assert [alert["labels"]["n"] for alert in sink.bodies[0]] == ["1"]


def test_what_nobody_takes_is_counted() -> None:
    receiver = Receiver("http://127.0.0.1:9/", alertmanager_alerts, tries=1, is_news_only=False)
    receiver.put([notice(1)])
    receiver.start()
    receiver.stop(20)
    assert (receiver.sent, receiver.failed) == (0, 1)
