"""`--alerting FILE`: who is told, with which credentials, and what is relabelled before."""

from __future__ import annotations

from pathlib import Path

import pytest

from longpole.analyzer.alerting.notifications import alertmanager_alerts
from longpole.cli.alert_sender import Receiver
from longpole.cli.alerting_file import AlertingFile, read_alerting
from longpole.cli.settings import SettingRefused
from tests.cli.alert_sink import Sink, listening
from tests.cli.test_alert_sender import notice

FILE = """
global: {scrape_interval: 15s}
scrape_configs: []
alerting:
  alert_relabel_configs: [{action: labeldrop, regex: replica}]
  alertmanagers:
  - scheme: https
    path_prefix: /am/
    timeout: 5s
    basic_auth: {username: longpole, password_file: secret}
    static_configs: [{targets: ["one:9093", "two:9093"]}]
  webhooks:
  - url: https://chat.example/hook
    authorization: {credentials: tok}
    http_headers: {X-Team: {values: [payments]}}
"""


def test_a_prometheus_configuration_says_who_is_told(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "prometheus.yml").write_text(FILE)
    found = read_alerting(tmp_path / "prometheus.yml")
    assert [step.action for step in found.relabel] == ["labeldrop"]
    assert [one.url for one in found.alertmanagers] == [
        "https://one:9093/am/api/v2/alerts", "https://two:9093/am/api/v2/alerts",
    ]  # fmt: skip
    assert found.alertmanagers[0].headers == {"Authorization": "Basic bG9uZ3BvbGU6czNjcmV0"}
    assert found.alertmanagers[0].timeout_seconds == 5
    (hook,) = found.webhooks
    assert hook.headers == {"Authorization": "Bearer tok", "X-Team": "payments"}
    assert "tok" not in repr(hook)
    assert read_alerting(None) == AlertingFile()


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("alertmanagers: [{tls_config: {}}]", "field tls_config is not known here"),
        ("alertmanagers: [{scheme: ftp}]", "scheme is http or https"),
        ("webhooks: [{url: 'https://me:pw@host/'}]", "passwords go elsewhere"),
        (
            "webhooks: [{url: 'http://h', authorization: {credentials_file: none}}]",
            "secret in none",
        ),
        ("webhooks: [{url: 'http://h', basic_auth: {}, authorization: {}}]", "at most one of"),
        ("webhooks: [{url: 'http://h', http_headers: {X: {values: [\"a\\u0007\"]}}}]", "printable"),
        ("alert_relabel_configs: [{action: explode}]", "entry 1: unknown relabel action"),
        ("surprise: 1", "field surprise is not known"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, section: str, words: str) -> None:
    file = tmp_path / "alerting.yml"
    file.write_text(f"alerting: {{{section}}}\n")
    with pytest.raises(SettingRefused, match=words):
        read_alerting(file)


def test_headers_go_with_what_is_sent() -> None:
    with listening(Sink()) as sink:
        receiver = Receiver(sink.url, alertmanager_alerts, tries=1, is_news_only=False,
                            headers={"Authorization": "Bearer tok"})  # fmt: skip
        receiver.put([notice(1)])
        receiver.start()
        receiver.stop(20)
    assert sink.headers[0]["authorization"] == "Bearer tok"
    assert receiver.sent == 1
