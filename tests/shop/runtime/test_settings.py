"""Settings: the environment is read in one place, and every variable is documented."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from shop.chassis import settings as module
from shop.chassis.settings import Settings, SettingsError, settings_table, split_address

SHOP = Path(module.__file__).parents[1]


def test_a_service_name_is_enough() -> None:
    settings = Settings.from_environment({"SHOP_SERVICE_NAME": "payment-service"})

    assert settings.listen == "127.0.0.1:0"
    assert settings.broker == "local"
    assert settings.database_url == "sqlite:///shop-data/payment.db"
    assert settings.instance_id.startswith("payment-service-")
    assert settings.host_name


def test_two_instances_get_different_names() -> None:
    one, other = (Settings(service_name="gateway") for _ in range(2))

    assert one.instance_id != other.instance_id


def test_variables_become_values_of_the_right_kind() -> None:
    settings = Settings.from_environment(
        {
            "SHOP_SERVICE_NAME": "gateway",
            "SHOP_DATABASE_POOL_SIZE": "7",
            "SHOP_DRAIN_SECONDS": "1.5",
            "SHOP_DATA_DIR": "somewhere/else",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317",
            "OTEL_RESOURCE_ATTRIBUTES": "team=checkout, region=eu",
        }
    )

    assert settings.database_pool_size == 7
    assert settings.drain_seconds == 1.5
    assert settings.database_url == "sqlite:///somewhere/else/gateway.db"
    assert settings.otlp_endpoint == "http://collector:4317"
    assert settings.resource_pairs == {"team": "checkout", "region": "eu"}


def test_a_secret_may_come_from_a_file_and_is_never_printed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush-hush\n")

    settings = Settings.from_environment(
        {"SHOP_SERVICE_NAME": "gateway", "SHOP_JWT_SECRET_FILE": str(secret)}
    )

    assert settings.jwt_secret == "hush-hush"
    assert "hush-hush" not in repr(settings)


def test_the_variable_wins_over_the_file(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {
            "SHOP_SERVICE_NAME": "gateway",
            "SHOP_JWT_SECRET": "said",
            "SHOP_JWT_SECRET_FILE": str(tmp_path / "missing"),
        }
    )

    assert settings.jwt_secret == "said"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "SHOP_SERVICE_NAME"),
        ({"SHOP_SERVICE_NAME": "x", "SHOP_WEIGHT": "heavy"}, "SHOP_WEIGHT is 'heavy'"),
        ({"SHOP_SERVICE_NAME": "x", "SHOP_DISCOVERY": "luck"}, "SHOP_DISCOVERY is 'luck'"),
        ({"SHOP_SERVICE_NAME": "x", "SHOP_JWT_SECRET_FILE": "/no/such"}, "SHOP_JWT_SECRET_FILE"),
    ],
)
def test_what_makes_no_sense_is_named(variables: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Settings.from_environment(variables)


def test_an_address_needs_a_port() -> None:
    assert split_address("[::1]:80") == ("::1", 80)
    with pytest.raises(SettingsError, match="not host:port"):
        split_address("localhost")


def test_every_setting_says_what_it_means() -> None:
    rows = settings_table()

    assert len({row.variable for row in rows}) == len(rows)
    assert all(row.about and row.variable.startswith(("SHOP_", "OTEL_")) for row in rows)
    assert {row.variable for row in rows if row.is_secret} >= {"SHOP_JWT_SECRET"}


def test_nothing_else_reads_the_environment() -> None:
    readers = {
        str(path.relative_to(SHOP))
        for path in SHOP.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    }

    # telemetry.py writes one variable, because an OpenTelemetry package reads it from there.
    assert readers == {"chassis/settings.py", "chassis/telemetry.py"}
