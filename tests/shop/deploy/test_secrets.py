"""The script that makes the secrets: complete, unreadable for others, safe to run again."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from shop.chassis.settings import Settings
from shop.topology import SERVICES
from tests.flow.tools import requires
from tests.shop.database.postgres import postgres_server
from tests.shop.deploy.places import DEPLOY

OWNERS = sorted(name.removesuffix("-service") for name in SERVICES if name != "gateway")


def make_secrets(folder: Path) -> None:
    """Run the script."""
    requires("openssl")
    subprocess.run([DEPLOY / "make-secrets.sh", folder], check=True, capture_output=True)


def test_the_folder_is_its_owners_alone(tmp_path: Path) -> None:
    make_secrets(tmp_path / "secrets")

    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    for file in (tmp_path / "secrets").iterdir():
        # A container reads single files as another user; nobody writes them.
        assert stat.S_IMODE(file.stat().st_mode) == 0o444, file.name


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    make_secrets(tmp_path)

    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_an_interrupted_run_is_taken_up(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    old = (tmp_path / "jwt_secret").read_text()
    os.rename(tmp_path / "databases.sql", tmp_path / "databases.sql.part")
    make_secrets(tmp_path)

    assert (tmp_path / "databases.sql").exists()
    assert (tmp_path / "jwt_secret").read_text() != old


def test_services_take_their_secrets_from_these_files(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    told = Settings.from_environment(
        {
            "SHOP_SERVICE_NAME": "user-service",
            "SHOP_JWT_SECRET_FILE": str(tmp_path / "jwt_secret"),
            "SHOP_DATABASE_URL_FILE": str(tmp_path / "user_database_url"),
            "OTEL_EXPORTER_OTLP_HEADERS_FILE": str(tmp_path / "otlp_headers"),
        }
    )
    token = (tmp_path / "longpole_token").read_text()

    assert len(told.jwt_secret) >= 32
    assert told.otlp_headers == f"authorization=Bearer%20{token}"
    assert told.database_url.startswith("postgresql+psycopg://user:")
    assert token not in repr(told)


@pytest.mark.full
def test_each_service_gets_into_its_own_database_and_no_other(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    with postgres_server() as url:
        with psycopg.connect(url, autocommit=True) as superuser:
            for statement in (tmp_path / "databases.sql").read_text().splitlines():
                superuser.execute(statement.encode())
        host = urlsplit(url).query.removeprefix("host=")
        for owner in OWNERS:
            parts = urlsplit((tmp_path / f"{owner}_database_url").read_text())
            assert (parts.username, parts.path) == (owner, f"/{owner}")
            with psycopg.connect(host=host, user=owner, dbname=owner) as own:
                own.execute("CREATE TABLE mine (id integer)")
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(host=host, user="order", dbname="payment")
