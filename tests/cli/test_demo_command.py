"""`longpole demo` with a real server and a fake shop: what it tells, and how it ends."""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest

from longpole.storage.data_dir import DataDir
from tests.cli.command import run
from tests.flow.server_process import running

DOCS = Path(__file__).parent.parent.parent / "docs"
FREE_PORTS = {
    "LONGPOLE_OTLP_GRPC": "127.0.0.1:0",
    "LONGPOLE_OTLP_HTTP": "127.0.0.1:0",
    "LONGPOLE_WEB": "127.0.0.1:0",
    "LONGPOLE_SETTLE_AFTER": "1",
}


@pytest.fixture
def fake(tmp_path: Path) -> dict[str, str]:
    """An environment in which `python -m shop` is the fake, and temporary folders are ours."""
    package = tmp_path / "path" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    script = Path(__file__).with_name("fake_shop.py")
    (package / "__main__.py").write_text(
        f"import runpy\nrunpy.run_path({str(script)!r}, run_name='__main__')\n"
    )
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LONGPOLE_")}
    return {
        **environment, **FREE_PORTS, "PYTHONPATH": str(package.parent), "TMPDIR": str(temporary),
        "HOME": str(tmp_path),
    }  # fmt: skip


class Demo:
    """A running demo, its lines so far, and every process it started."""

    def __init__(self, env: dict[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "longpole.cli", "demo", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
            start_new_session=True,
        )  # fmt: skip
        self.shown = ""

    def read_until(self, words: str) -> None:
        assert self.process.stdout is not None
        while words not in self.shown:
            line = self.process.stdout.readline()
            assert line, f"the demo ended early:\n{self.shown}"
            self.shown += line

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def finish(self, seconds: float = 60) -> tuple[int, str, str]:
        """Exit code, all of standard output, standard error."""
        rest, errors = self.process.communicate(timeout=seconds)
        return self.process.returncode, self.shown + rest, errors


@contextmanager
def demo(env: dict[str, str], *arguments: str) -> Iterator[Demo]:
    started = Demo(env, *arguments)
    watchdog = threading.Timer(110, started.process.kill)
    watchdog.start()
    try:
        yield started
    finally:
        watchdog.cancel()
        if started.process.poll() is None:
            started.process.kill()
        started.process.communicate()


def nothing_is_left(env: dict[str, str], children: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert list(Path(env["TMPDIR"]).glob("longpole-demo-*")) == []


@pytest.mark.full  # tests/flow/test_demo.py does it with the real shop
def test_json_tells_the_truth_beside_the_verdict(fake: dict[str, str]) -> None:
    # The time is over long before the story is, which is told to its end nevertheless.
    with demo(fake, "--json", "--rate", "10", "--duration", "2") as started:
        started.read_until('"event":"shop"')
        children = started.children()
        assert len(children) == 2
        code, shown, errors = started.finish()
    assert code == 0, errors
    lines: list[dict[str, Any]] = [json.loads(line) for line in shown.splitlines()]
    schema = json.loads((DOCS / "schemas" / "demo.json").read_text())
    for line in lines:
        jsonschema.validate(line, schema)
    events = [line["event"] for line in lines]
    assert events == ["server", "shop", "critical-path", "fault", "comparison", "verdict"]
    last, changed = lines[-1], lines[-2]
    label = last["label"]
    assert label["fault"] == "payment-slow-query"
    assert label["start_unix_nano"] <= last["start_unix_nano"] < label["end_unix_nano"]
    assert last["root_operation"] == label["root"]
    assert len(last["trace_id"]) == 32
    assert 700e6 < last["duration_ns"] < 800e6
    first = last["verdict"][0]
    assert (first["service"], first["operation"]) == ("payment-service", "SELECT card_history")
    first_term = changed["comparison"]["terms"][0]
    assert first_term["operation"] == "SELECT card_history"
    assert 300e6 < first_term["difference_ns"] < 700e6
    assert changed["comparison"]["base"]["p99_ns"] < 100e6
    assert lines[2]["critical_path"]["roots"]["trace_count"] > 0
    nothing_is_left(fake, children)


def test_ctrl_c_ends_the_shop_first_and_leaves_nothing(fake: dict[str, str]) -> None:
    with demo(fake, "--rate", "10") as started:
        started.read_until("the first report comes")
        children = started.children()
        started.process.send_signal(signal.SIGINT)
        code, shown, errors = started.finish()
    assert code == 0, errors
    assert "web on http://127.0.0.1:" in shown
    assert shown.endswith("demo: stopping\ndemo: stopped (server exit code 0)\n")
    nothing_is_left(fake, children)


def test_a_demo_that_is_killed_takes_its_processes_along(fake: dict[str, str]) -> None:
    with demo(fake) as started:
        started.read_until("the shop is open")
        children = started.children()
        started.process.kill()
        started.finish()
    _, alive = psutil.wait_procs(children, timeout=15)
    assert not alive


@pytest.mark.parametrize(
    ("way", "words", "reason"),
    [
        ("broken", "the sample shop does not start", "the broker found no room on the disk"),
        pytest.param(
            "short", "the sample shop ended on its own", "out of memory", marks=pytest.mark.full
        ),
    ],
)
def test_a_shop_that_ends_is_bad_news_with_its_last_words(
    fake: dict[str, str], way: str, words: str, reason: str
) -> None:
    with demo({**fake, "FAKE_SHOP": way}) as started:
        code, shown, errors = started.finish()
    assert code == 1
    assert words in errors
    assert reason in errors
    assert "stopped (server exit code 0)" in shown
    nothing_is_left(fake, [])


def test_a_server_that_is_refused_says_why(fake: dict[str, str], tmp_path: Path) -> None:
    with running(tmp_path / "held") as server:
        pid = DataDir(tmp_path / "held").read_lock()
        assert pid is not None
        with demo(fake, "--data-dir", str(server.data_dir)) as started:
            code, _, errors = started.finish()
    assert code == 2
    assert "the server does not start" in errors
    assert str(pid.pid) in errors
    nothing_is_left(fake, [])


def test_without_the_shop_the_command_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    for arguments in (["demo"], ["demo", "--list-faults"]):
        result = run(*arguments)
        assert result.exit_code == 2
        assert "pip install 'longpole[demo]'" in result.stderr


def test_the_faults_are_listed_and_a_wrong_name_is_refused(
    fake: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", fake["PYTHONPATH"])
    listed = run("demo", "--list-faults")
    assert listed.exit_code == 0
    assert "payment-slow-query  A database query" in listed.stdout
    rows = [json.loads(line) for line in run("demo", "--list-faults", "--json").stdout.splitlines()]
    assert [row["name"] for row in rows] == ["payment-slow-query", "payment-other"]
    refused = run("demo", "--fault", "payment-slow-querry")
    assert refused.exit_code == 2
    assert "did you mean 'payment-slow-query'?" in refused.stderr


def test_ports_in_use_are_replaced_only_where_nobody_chose_one(tmp_path: Path) -> None:
    from longpole.cli.demo_server import server_settings

    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        mine = f"127.0.0.1:{busy.getsockname()[1]}"
        asked = server_settings(
            {"web": mine}, {"LONGPOLE_OTLP_HTTP": "127.0.0.1:4318"}, tmp_path,
            is_taken=lambda address: True,
        )  # fmt: skip
        assert (asked.settings.web, asked.settings.otlp_http) == (mine, "127.0.0.1:4318")
        assert asked.settings.otlp_grpc == "127.0.0.1:0"
        assert asked.taken == ["127.0.0.1:4317"]


def test_usual_settings_apply_and_the_rest_suits_a_demo(tmp_path: Path) -> None:
    from longpole.cli.demo_server import server_settings

    def free(address: str) -> bool:
        return False

    plain = server_settings({"web": None}, {"HOME": "/home/me"}, tmp_path, free)
    assert plain.settings.settle_after == 2
    assert plain.settings.data_dir == tmp_path / "data"
    assert plain.settings.web == "127.0.0.1:4319"
    assert plain.flags == ["--settle-after", "2", "--data-dir", str(tmp_path / "data")]
    chosen = server_settings(
        {"settle_after": "9", "insecure_allow_remote": True},
        {"LONGPOLE_DATA_DIR": "/data/mine"}, tmp_path, free,
    )  # fmt: skip
    assert chosen.settings.settle_after == 9
    assert str(chosen.settings.data_dir) == "/data/mine"
    assert chosen.flags == ["--settle-after", "9", "--insecure-allow-remote"]
    file = tmp_path / "longpole.toml"
    file.write_text('settle_after = 7\ndata_dir = "/data/file"\n')
    filed = server_settings({"config": str(file)}, {}, tmp_path, free)
    assert (filed.settings.settle_after, str(filed.settings.data_dir)) == (7, "/data/file")
    assert filed.flags == ["--config", str(file)]
