"""The container files, checked as far as that goes without a Docker engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.flow.tools import requires
from tests.test_house import ROOMS, ROOT


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """docker-compose.yml as Debian's docker-compose reads it."""
    requires("docker-compose")
    folder = tmp_path_factory.mktemp("compose")
    shutil.copy(ROOT / "docker-compose.yml", folder)
    (folder / "secrets").mkdir()
    for name in ("token", "otlp_headers"):
        (folder / "secrets" / name).write_text("not a real one")
    run = subprocess.run(
        ["docker-compose", "config"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_compose_is_valid_and_guards_every_port_with_the_token(compose: str) -> None:
    assert "LONGPOLE_AUTH_TOKEN_FILE: /run/secrets/longpole_token" in compose
    published = re.findall(r"127\.0\.0\.1:(\d+):(\d+)", compose)
    assert published == [
        ("9093", "9093"), ("3000", "3000"), ("4317", "4317"), ("4318", "4318"), ("4319", "4319"),
    ]  # fmt: skip


def test_what_compose_mounts_from_the_repository_is_there_and_images_have_versions() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert {"longpole", "grafana", "alertmanager", "shop"} == set(services)
    for name, told in services.items():
        assert re.fullmatch(r"[a-z./-]+:v?\d+\.\d+\.\d+", told["image"]), name
        for volume in told.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith("./") or (ROOT / source).exists(), source


def test_longpole_answers_to_the_name_that_grafana_calls_it_by() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    host = services["grafana"]["environment"]["LONGPOLE_URL"].split("/")[2].split(":")[0]
    assert host in services
    assert host in services[host]["environment"]["LONGPOLE_WEB_HOST"].split(",")


def test_the_settings_that_compose_names_exist() -> None:
    known = (ROOT / "docs" / "settings.md").read_text()
    named = set(re.findall(r"LONGPOLE_[A-Z_]+", (ROOT / "docker-compose.yml").read_text()))
    named |= set(re.findall(r"LONGPOLE_[A-Z_]+", (ROOT / "Dockerfile").read_text()))
    assert named
    assert {name for name in named if name not in known} == set()


def test_the_image_copies_every_room_and_nothing_that_is_missing() -> None:
    copied = set()
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            *sources, _ = line.split()[1:]
            copied.update(sources)
    assert {name for name in copied if not (ROOT / name).exists()} == set()
    assert set(ROOMS) <= copied


def test_the_server_lock_is_a_part_of_the_full_lock() -> None:
    full = pins(ROOT / "requirements.txt")
    server = pins(ROOT / "requirements-server.txt")
    assert server
    assert server.items() <= full.items()
    assert "pytest" not in server


def pins(path: Path) -> dict[str, str]:
    """Name to version."""
    return dict(re.findall(r"^([a-zA-Z0-9_.-]+)==([^ ;\\]+)", path.read_text(), re.MULTILINE))


def test_the_wheel_holds_every_room_with_its_data_files(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet",
         "--wheel-dir", str(tmp_path), str(ROOT)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for room in ROOMS:
        inside = [p for p in (ROOT / room / "longpole").rglob("*") if p.is_file()]
        expected = {
            p.relative_to(ROOT / room).as_posix() for p in inside if "__pycache__" not in p.parts
        }
        assert expected <= names, room
    assert "longpole/__init__.py" not in names
