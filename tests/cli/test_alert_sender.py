from __future__ import annotations

import json
from dataclasses import replace

import pytest
from loguru import logger

from longpole.analyzer.alerting.notifications import Notice, alertmanager_alerts, webhook_body
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


def test_an_answer_without_end_does_not_keep_the_next_message_waiting() -> None:
    with listening(Sink(said=b"x" * 65_536, is_endless=True)) as sink:
        receiver = Receiver(sink.url, alertmanager_alerts, tries=1, is_news_only=False)
        receiver.start()
        receiver.put([notice(1)])
        eventually(lambda: receiver.sent == 1, 20)
        receiver.put([notice(2)])
        eventually(lambda: receiver.sent == 2, 20)
        receiver.stop(20)
    assert len(sink.bodies) == 2


def test_why_a_receiver_refuses_is_logged() -> None:
    lines: list[str] = []
    added = logger.add(lines.append, format="{message}")
    try:
        with listening(Sink(refuse=1, said=b"no\n such\xff route" + b"!" * 10_000)) as sink:
            receiver = Receiver(sink.url, alertmanager_alerts, tries=1, is_news_only=False)
            receiver.put([notice(1)])
            receiver.start()
            receiver.stop(20)
    finally:
        logger.remove(added)
    (line,) = lines
    assert "status 500: no such\ufffd route!!!" in line
    assert len(line) < 400


def test_a_message_that_json_cannot_say_does_not_end_the_sending() -> None:
    with listening(Sink()) as sink:
        receiver = Receiver(
            sink.url, lambda batch: [one.value for one in batch], tries=5, is_news_only=False
        )
        receiver.start()
        receiver.put([replace(notice(1), value=float("inf"))])
        eventually(lambda: receiver.failed == 1, 20)
        receiver.put([notice(2)])
        receiver.stop(20)
    assert sink.bodies == [[1.0]]


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_webhook_is_told_of_values_that_json_does_not_know(value: float) -> None:
    body = webhook_body([replace(notice(1), value=value)], [None], "http://here")
    assert json.loads(json.dumps(body, allow_nan=False))["alerts"][0]["value"] is None
