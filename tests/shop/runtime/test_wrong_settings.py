"""Wrong settings: one line that names the variable, exit code 2, no stack trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shop.__main__ import main
from shop.chassis.build import make_chassis
from shop.chassis.errors import DependencyUnavailable
from shop.chassis.settings import Settings, SettingsError

Printed = pytest.CaptureFixture[str]

LONG_SECRET = "a secret of thirty-two bytes or more"

WRONG = {
    "SHOP_LOG_LEVEL": "LOUD",
    "SHOP_DATABASE_URL": "not a url",
    "SHOP_ORDER_DATABASE_URL": "mysql+nothing://x",
    "SHOP_RATE_LIMIT": "often",
    "SHOP_LISTEN": "localhost",
    "SHOP_GRPC_LISTEN": "127.0.0.1:²",
    "SHOP_HEARTBEAT_SECONDS": "-1",
    "SHOP_DRAIN_SECONDS": "nan",
    "SHOP_DATABASE_POOL_SIZE": "0",
    "SHOP_DATABASE_POOL_TIMEOUT_SECONDS": "inf",
    "SHOP_WEIGHT": "-5",
    "SHOP_DNS_HTTP_PORT": "65536",
    "SHOP_INSTANCE_ID": "../x",
    "SHOP_REGISTRY_URL": "registry:80",
    "SHOP_OUTSIDE_URL": "http://",
    "SHOP_BROKER": "amqp://broker",
    "SHOP_DISCOVERY": "luck",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "collector",
    "OTEL_BSP_SCHEDULE_DELAY": "0",
    "OTEL_BLRP_SCHEDULE_DELAY": "-5",
    "OTEL_METRIC_EXPORT_INTERVAL": "1.5",
}


@pytest.mark.parametrize("variable", WRONG)
def test_a_wrong_setting_is_named(variable: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}"):
        Settings.from_environment({"SHOP_SERVICE_NAME": "x", variable: WRONG[variable]})


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(
            {"SHOP_SERVICE_NAME": "x", "SHOP_DATABASE_URL": "oracle://me:hush-hush@host/db"}
        )
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SHOP_DATABASE_URL", "postgresql+psycopg://shop:secret@database:5432/shop"),
        ("SHOP_RATE_LIMIT", "5 per second"),
        ("SHOP_BROKER", "nats://nats:4222"),
        ("SHOP_LISTEN", "[::]:8080"),
        ("SHOP_LOG_LEVEL", "debug"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example/"),
    ],
)
def test_what_deployments_say_makes_sense(variable: str, value: str) -> None:
    Settings.from_environment({"SHOP_SERVICE_NAME": "x", variable: value})


def run(program: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    script = "import sys; from shop.__main__ import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", script, "run", program],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def said_in_one_line(done: subprocess.CompletedProcess[str], words: str) -> None:
    lines = [line for line in done.stderr.splitlines() if line]
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("shop: ")
    assert words in lines[0]


def test_user_service_does_not_start_with_a_secret_that_is_none(tmp_path: Path) -> None:
    told = {"SHOP_DATA_DIR": str(tmp_path), "SHOP_JWT_SECRET": "short"}
    said_in_one_line(run("user-service", told), "SHOP_JWT_SECRET has fewer than 32 bytes")


def test_a_data_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = {"SHOP_DATA_DIR": str(tmp_path / "file"), "SHOP_JWT_SECRET": LONG_SECRET}
    said_in_one_line(run("user-service", told), "SHOP_DATA_DIR can't be used")
    said_in_one_line(run("broker", told), "SHOP_DATA_DIR can't be used")


def test_a_labels_file_that_is_a_folder_is_named(tmp_path: Path) -> None:
    told = {"SHOP_DATA_DIR": str(tmp_path), "SHOP_LABELS_FILE": str(tmp_path)}
    said_in_one_line(run("registry", told), "SHOP_LABELS_FILE can't be written")


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1", "OpenTelemetry does not start"),
    ],
)
def test_a_variable_of_the_sdk_that_makes_no_sense_is_named(
    tmp_path: Path, variable: str, value: str, words: str
) -> None:
    told = {
        "SHOP_DATA_DIR": str(tmp_path),
        "SHOP_JWT_SECRET": LONG_SECRET,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        variable: value,
    }
    said_in_one_line(run("user-service", told), words)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--rate", "0"], "--rate is 0"),
        (["--rate", "-1"], "--rate is -1"),
        (["--rate", "nan"], "--rate is nan"),
        (["--rate", "inf"], "--rate is inf"),
        (["--duration", "-1"], "--duration is -1"),
        (["--duration", "nan"], "--duration is nan"),
        (["--otlp-endpoint", "collector"], "--otlp-endpoint is 'collector'"),
        (["--labels", "."], "--labels can't be written"),
        (["--data-dir", "/dev/null"], "--data-dir can't be used"),
    ],
)
def test_a_flag_of_up_that_makes_no_sense_is_named(
    flags: list[str], words: str, capsys: Printed
) -> None:
    assert main(["up", *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"shop: {words}")


def test_up_says_that_it_ends_with_its_parent(capsys: Printed) -> None:
    with pytest.raises(SystemExit):
        main(["up", "--help"])
    assert "ends when the shell does" in " ".join(capsys.readouterr().out.split())


def test_a_service_whose_database_is_elsewhere_needs_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = Settings(
        service_name="payment-service",
        data_dir=tmp_path / "file",
        database_url="postgresql+psycopg://shop@127.0.0.1:9/shop",
    )
    # The folder is not what it ends with.
    with pytest.raises(DependencyUnavailable):
        make_chassis(settings).database(())


def test_small_commands_do_not_wait_for_what_reads_the_settings_of_services() -> None:
    script = "import sys, shop.__main__; print(sorted({'sqlalchemy', 'limits'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[]", done.stderr
