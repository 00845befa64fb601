"""Flag, environment, TOML file and default: which one counts, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from longpole.analyzer.findings.thresholds import Thresholds
from longpole.cli.reference_pages import PAGES
from longpole.cli.settings import SETTINGS, SettingRefused, resolve, unknown_variables
from longpole.cli.threshold_settings import NAMES, variable_of

ROOT = Path(__file__).parent.parent.parent


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = write(tmp_path / "longpole.toml", "settle_after = 3\nretain_days = 3\nseal_rows = 3\n")
    env = {
        "LONGPOLE_CONFIG": str(file),
        "LONGPOLE_SETTLE_AFTER": "2",
        "LONGPOLE_RETAIN_DAYS": "2",
        "HOME": str(tmp_path),
    }
    settings = resolve({"settle_after": "1", "web": None}, env)
    assert settings.settle_after == 1
    assert settings.retain_days == 2
    assert settings.seal_rows == 3
    assert settings.web == "127.0.0.1:4319"
    assert settings.data_dir == tmp_path / ".local" / "share" / "longpole"


def test_the_default_directory_follows_xdg() -> None:
    assert resolve({}, {"XDG_DATA_HOME": "/x"}).data_dir == Path("/x/longpole")


def test_a_typo_in_the_file_is_refused_by_name(tmp_path: Path) -> None:
    file = write(tmp_path / "c.toml", "settle-after = 3\n")
    with pytest.raises(SettingRefused, match=r"'settle-after'; did you mean 'settle_after'\?"):
        resolve({"config": str(file)}, {})


def test_a_file_that_is_named_but_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingRefused, match="cannot be read"):
        resolve({"config": str(tmp_path / "none.toml")}, {})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("settle_after", "500ms", 0.5),
        ("seal_after", "10m", 600.0),
        ("dedup_window", "2h", 7200.0),
        ("retain_bytes", "20GiB", 20 * 2**30),
        ("retain_bytes", "5GB", 5 * 10**9),
        ("seal_rows", "1_000", 1000),
        ("otlp_grpc", "[::1]:0", "[::1]:0"),
        ("web_host", "a.example, b.example", ("a.example", "b.example")),
        ("url", "127.0.0.1:4319", "http://127.0.0.1:4319"),
        ("insecure_allow_remote", "yes", True),
    ],
)
def test_values_carry_units(name: str, value: str, expected: Any) -> None:
    assert getattr(resolve({}, {f"LONGPOLE_{name.upper()}": value}), name) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("settle_after", "soon"),
        ("settle_after", "-1"),
        ("retain_days", "nan"),
        ("retain_bytes", "20 parsecs"),
        ("seal_rows", "0"),
        ("web", "4319"),
        ("web", "localhost:70000"),
        ("url", "ftp://x"),
        ("url", "http://user@host"),
        ("log_level", "loud"),
        ("insecure_allow_remote", "maybe"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_its_source(name: str, value: str) -> None:
    variable = f"LONGPOLE_{name.upper()}"
    with pytest.raises(SettingRefused, match=variable):
        resolve({}, {variable: value})


def test_the_token_is_read_from_a_file_and_never_shown(tmp_path: Path) -> None:
    file = write(tmp_path / "token", "s3cret-value\n")
    settings = resolve({"auth_token_file": str(file)}, {})
    token = settings.auth_token()
    assert token is not None
    assert token.matches("s3cret-value")
    assert "s3cret" not in f"{settings!r} {token} {token!r}"


@pytest.mark.parametrize("content", ["", "  \n", "two words", "nåt"])
def test_a_token_that_no_header_can_carry_is_refused(tmp_path: Path, content: str) -> None:
    file = write(tmp_path / "token", content)
    with pytest.raises(SettingRefused, match="printable ASCII"):
        resolve({"auth_token_file": str(file)}, {}).auth_token()


def test_an_unreadable_token_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingRefused, match="--auth-token-file"):
        resolve({"auth_token_file": str(tmp_path / "none")}, {}).auth_token()


def test_a_token_everybody_can_read_is_warned_about(tmp_path: Path) -> None:
    file = write(tmp_path / "token", "t")
    file.chmod(0o644)
    assert resolve({"auth_token_file": str(file)}, {}).warnings()
    file.chmod(0o600)
    assert not resolve({"auth_token_file": str(file)}, {}).warnings()


def test_settings_have_unique_names_and_a_help() -> None:
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)
    assert all(setting.help for setting in SETTINGS)


@pytest.mark.parametrize("name", PAGES)
def test_the_generated_pages_are_up_to_date(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == PAGES[name](), "run `make docs`"


def test_a_variable_that_nobody_reads_is_noticed() -> None:
    env = {"LONGPOLE_DATADIR": "x", "LONGPOLE_DATA_DIR": "x", "LONGPOLE_CONFIG": "", "HOME": "/"}
    assert unknown_variables(env) == ["LONGPOLE_DATADIR"]


def test_thresholds_come_from_the_environment_and_a_table_of_the_file(tmp_path: Path) -> None:
    file = write(
        tmp_path / "c.toml",
        "settle_after = 3\n[thresholds]\nslow_db_query_ns = '200ms'\nfanout_calls = 7\n"
        "large_payload_bytes = '2MB'\nqueue_lag_ns = 5\npool_wait_share = 0.5\n",
    )
    env = {
        "LONGPOLE_CONFIG": str(file),
        "LONGPOLE_THRESHOLD_FANOUT_CALLS": "9",
        "LONGPOLE_THRESHOLD_GAP_SHARE": "25 %",
        "LONGPOLE_THRESHOLD_SLOW_QUERY_GROWTH": "2.5",
    }
    thresholds = resolve({}, env).thresholds
    assert thresholds.slow_db_query_ns == 200_000_000
    assert thresholds.fanout_calls == 9
    assert thresholds.large_payload_bytes == 2_000_000
    assert thresholds.queue_lag_ns == 5
    assert (thresholds.pool_wait_share, thresholds.gap_share) == (0.5, 0.25)
    assert thresholds.slow_query_growth == 2.5
    assert thresholds.sequential_calls == Thresholds().sequential_calls
    assert unknown_variables(env) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("thresholds = 3", "expected a table"),
        ("[thresholds]\nfanout_cals = 3", "did you mean 'fanout_calls'"),
        ("[thresholds]\nfanout_calls = 0", "thresholds.fanout_calls in .* above 0"),
        ("[thresholds]\nfanout_calls = true", "whole number"),
        ("[thresholds]\ngap_ns = '3 parsecs'", "nanoseconds"),
        ("[thresholds]\ngap_ns = 0.5", "nanoseconds"),
        ("[thresholds]\ngap_share = 3", "from 0 to 1"),
        ("[thresholds]\nslow_query_growth = 'nan'", "above 0"),
        ("[thresholds]\nlarge_payload_bytes = '99999999999999 GB'", "too much"),
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingRefused, match=words):
        resolve({"config": str(write(tmp_path / "c.toml", text))}, {})


def test_every_threshold_can_be_set_to_its_default() -> None:
    for name in NAMES:
        env = {variable_of(name): str(getattr(Thresholds(), name))}
        assert resolve({}, env).thresholds == Thresholds()
