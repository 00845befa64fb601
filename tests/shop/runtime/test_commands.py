"""The small commands: what they print, and what they say when asked for nonsense."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shop.__main__ import main
from shop.chassis.settings import settings_table
from shop.faults.catalogue import CATALOGUE
from shop.faults.labels import LabelsFile
from shop.registry.api import registry_app
from shop.registry.registry import Registry
from shop.registry.switchboard import Switchboard
from tests.shop.runtime.serving import served

Printed = pytest.CaptureFixture[str]


def test_the_catalogue_is_for_people_and_for_machines(capsys: Printed) -> None:
    assert main(["faults"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert main(["faults", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    assert names == [fault["name"] for fault in document] == list(CATALOGUE)


def test_the_settings_are_printed_with_their_meaning(capsys: Printed) -> None:
    assert main(["settings"]) == 0
    plain = capsys.readouterr().out
    assert main(["settings", "--markdown"]) == 0
    markdown = capsys.readouterr().out

    for row in settings_table():
        assert row.variable in plain
        assert f"| `{row.variable}`" in markdown
    assert "SHOP_JWT_SECRET_FILE" in plain


def test_a_fault_is_switched_by_command(capsys: Printed) -> None:
    registry = quiet_registry()
    with served(registry_app(registry)) as url:
        assert main(["fault", "on", "payment-slow", "seconds=2", "--registry", url]) == 0
        assert json.loads(capsys.readouterr().out)["parameters"] == {"seconds": 2.0}
        assert dict(registry.faults_on()["payment-slow"].parameters) == {"seconds": 2.0}

        assert main(["fault", "on", "payment-slow", "hours=2", "--registry", url]) == 1
        assert "no parameter 'hours'" in capsys.readouterr().err
        assert main(["fault", "on", "payment-slow", "seconds", "--registry", url]) == 2

        assert main(["fault", "off", "payment-slow", "--registry", url]) == 0
        assert json.loads(capsys.readouterr().out)["fault"] == "payment-slow"
        assert registry.faults_on() == {}


def test_a_registry_that_is_away_is_named(capsys: Printed) -> None:
    assert main(["fault", "off", "payment-slow", "--registry", "http://127.0.0.1:9"]) == 1
    assert "http://127.0.0.1:9 does not answer" in capsys.readouterr().err


def test_an_unknown_fault_is_refused_before_anything_starts(capsys: Printed) -> None:
    assert main(["up", "--faults", "no-such-fault"]) == 2
    assert "no-such-fault" in capsys.readouterr().err


def test_an_unknown_task_is_answered_with_those_there_are(capsys: Printed) -> None:
    assert main(["admin", "inventory", "dance"]) == 2
    assert "it has restock" in capsys.readouterr().err
    assert main(["admin", "nobody", "restock"]) == 2
    assert "inventory-service" in capsys.readouterr().err


def test_a_task_runs_with_the_code_and_the_settings_of_its_service(tmp_path: Path) -> None:
    script = (
        "import sys; from shop.__main__ import main;"
        "sys.exit(main(['admin', 'inventory', 'restock']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"SHOP_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("restocked")
    assert (tmp_path / "inventory.db").exists()


def test_a_process_that_cannot_listen_says_so(
    capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(registry_app(quiet_registry())) as url:
        taken = url.removeprefix("http://")
        monkeypatch.setenv("SHOP_LISTEN", taken)
        assert main(["run", "outside"]) == 2
        assert f"cannot listen on {taken}" in capsys.readouterr().err

    monkeypatch.setenv("SHOP_LISTEN", "127.0.0.1:99999")
    assert main(["run", "outside"]) == 2
    assert "'127.0.0.1:99999' is not host:port" in capsys.readouterr().err


def quiet_registry() -> Registry:
    """Without files."""
    return Registry(Switchboard(None, 1), LabelsFile(None), time.monotonic, time.time_ns)
