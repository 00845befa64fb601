"""deploy/compose.yaml and the image, checked as far as that goes without a Docker engine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shop.chassis.telemetry import FLUSH_SECONDS
from shop.topology import CANARY_VERSION, SERVICES
from tests.flow.tools import requires
from tests.shop.deploy.places import DEPLOY, ROOT, SAMPLE_APPS, is_well_told
from tests.shop.deploy.test_secrets import make_secrets


@pytest.fixture(scope="module")
def compose() -> Any:
    """compose.yaml with its anchors filled in."""
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def shop_containers(compose: Any) -> dict[str, Any]:
    """The containers that run a service."""
    return {
        name: told
        for name, told in compose["services"].items()
        if told.get("command", [""])[0] == "run" and told["command"][1] in SERVICES
    }


def test_docker_compose_takes_the_file(tmp_path: Path) -> None:
    requires("docker-compose")
    shutil.copy(DEPLOY / "compose.yaml", tmp_path)
    run = subprocess.run(
        ["docker-compose", "config"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert set(yaml.safe_load(run.stdout)["services"]) >= set(SERVICES)


def test_every_service_has_a_container_of_the_same_image(compose: Any) -> None:
    containers = shop_containers(compose)
    assert {told["command"][1] for told in containers.values()} == set(SERVICES)
    assert {told["image"] for told in containers.values()} == {"longpole-sample-shop:0.1.0"}


def test_a_second_container_of_a_service_is_found_by_its_name(compose: Any) -> None:
    for name, told in shop_containers(compose).items():
        service = told["command"][1]
        if name != service:
            assert told["networks"]["default"]["aliases"] == [service]


def test_the_canary_has_a_fifth_of_the_instances(compose: Any) -> None:
    stable = compose["services"]["recommendation-service"]
    canary = compose["services"]["recommendation-canary"]
    assert canary["environment"]["SHOP_VERSION"] == CANARY_VERSION
    assert (stable["deploy"]["replicas"], canary["deploy"]["replicas"]) == (4, 1)


def test_every_container_is_checked_limited_and_locked(compose: Any) -> None:
    for name, told in shop_containers(compose).items():
        assert "/readyz" in " ".join(told["healthcheck"]["test"]), name
        assert told["deploy"]["resources"]["limits"]["memory"], name
        assert told["read_only"] is True, name
        assert told["cap_drop"] == ["ALL"], name


def test_a_container_is_given_the_time_to_drain(compose: Any) -> None:
    for name, told in shop_containers(compose).items():
        drain = float(told["environment"]["SHOP_DRAIN_SECONDS"])
        grace = float(told["stop_grace_period"].removesuffix("s"))
        # gRPC and HTTP drain beside each other, then telemetry is sent.
        assert grace > drain + FLUSH_SECONDS + 2, name


def test_every_variable_is_a_setting(compose: Any) -> None:
    longpole = (ROOT / "docs" / "settings.md").read_text()
    for name, told in compose["services"].items():
        for variable in told.get("environment", {}):
            if variable.startswith("LONGPOLE_"):
                assert variable in longpole
            elif variable.startswith("SHOP_") or "OTLP" in variable:
                assert is_well_told(variable), f"{name}: {variable}"


def test_a_service_sees_its_own_secrets_only(compose: Any) -> None:
    for name, told in shop_containers(compose).items():
        own = {f"{told['command'][1].removesuffix('-service')}_database_url", "otlp_headers"}
        if told["command"][1] in ("gateway", "user-service"):
            own.add("jwt_secret")
        if told["command"][1] == "shipping-service":
            own.add("order_database_url")  # for the fault shipping-shared-database
        assert set(told["secrets"]) <= own, name
        read = [value for key, value in told["environment"].items() if key.endswith("_FILE")]
        assert {Path(value).name for value in read} == set(told["secrets"]), name


def test_every_secret_and_every_mounted_file_exists(compose: Any, tmp_path: Path) -> None:
    make_secrets(tmp_path)
    made = {file.name for file in tmp_path.iterdir()}
    assert {Path(told["file"]).name for told in compose["secrets"].values()} == made
    for told in compose["services"].values():
        for volume in told.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith("./") or (DEPLOY / source).exists(), source


def test_only_tls_and_longpole_can_be_reached_from_this_machine_only(compose: Any) -> None:
    published = {
        name: told["ports"] for name, told in compose["services"].items() if "ports" in told
    }
    assert published == {"front": ["127.0.0.1:8443:8443"], "longpole": ["127.0.0.1:4319:4319"]}


def test_the_image_copies_what_there_is_and_runs_as_nobody() -> None:
    text = (SAMPLE_APPS / "Dockerfile").read_text()
    copied = [
        source
        for line in text.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    assert copied
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert re.search(r"^USER shop$", text, re.MULTILINE)
    assert "10001" in text


def test_the_image_installs_what_the_lock_of_the_repository_says() -> None:
    whole, own = (pins(ROOT / "requirements.txt"), pins(SAMPLE_APPS / "requirements.txt"))
    assert own
    assert own.items() <= whole.items()
    assert "pytest" not in own
    assert "://" not in (SAMPLE_APPS / "requirements.txt").read_text()


def pins(path: Path) -> dict[str, str]:
    """Name to version."""
    return dict(re.findall(r"^([a-zA-Z0-9_.-]+)==([^ ;\\]+)", path.read_text(), re.MULTILINE))
