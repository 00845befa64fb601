"""Every setting in one table, and how flag, environment, TOML file and default combine.

Precedence: flag, then environment (`LONGPOLE_*`), then TOML file (`--config`), then default.
This is the only module of the house that reads the environment.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.promql_sources.family_names import FAMILIES, PROMOTED, chosen_families
from longpole.cli import threshold_settings
from longpole.cli.setting_values import (
    address,
    byte_count,
    count,
    label_pairs,
    log_level,
    names,
    number,
    path,
    seconds,
    text,
    truth,
    url,
    urls,
)
from longpole.model.problem import LongpoleError
from longpole.model.secret import Secret


class SettingRefused(LongpoleError):
    """A value that cannot be used; the message names where it came from."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table. `name` is the TOML key; flag and variable follow from it."""

    name: str
    parse: Callable[[Any], Any]
    default: Any
    help: str
    of: str = "server"  # server, client, both
    metavar: str = "TEXT"
    default_text: str = ""

    @property
    def flag(self) -> str:
        """For example `--data-dir`."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """For example `LONGPOLE_DATA_DIR`."""
        return "LONGPOLE_" + self.name.upper()


MIB, GIB = 2**20, 2**30
SETTINGS: tuple[Setting, ...] = (
    Setting("data_dir", path, None, "where everything is kept; one server owns it at a time",
            "both", "PATH", "`$XDG_DATA_HOME/longpole`, else `~/.local/share/longpole`"),
    Setting("url", url, None, "ask this server instead of the data directory",
            "client", "URL", "the server that holds the data directory, if any"),
    Setting("otlp_grpc", address, "127.0.0.1:4317", "where OTLP/gRPC is received; port 0 takes a "
            "free one", metavar="HOST:PORT"),
    Setting("otlp_http", address, "127.0.0.1:4318", "where OTLP/HTTP is received",
            metavar="HOST:PORT"),
    Setting("web", address, "127.0.0.1:4319", "where pages, API and metrics are served",
            metavar="HOST:PORT"),
    Setting("web_host", names, (), "further host names under which the web port may be addressed, "
            "separated by commas", metavar="NAMES", default_text="none"),
    Setting("auth_token_file", path, None, "file with the bearer token that every port then asks "
            "for; client commands send it", "both", "PATH", "none: no token is asked for"),
    Setting("insecure_allow_remote", truth, False, "bind to other than loopback addresses without "
            "a token", metavar="", default_text="false"),
    Setting("settle_after", seconds, 5.0, "a trace is explained when no span of it came for so "
            "long", metavar="SECONDS"),
    Setting("settle_at_most", seconds, 60.0, "and at the latest so long after its first span",
            metavar="SECONDS"),
    Setting("settle_in_server", truth, False, "explain traces in the process of the server when "
            "many come, too: that saves some 100 MB, and questions wait longer meanwhile",
            metavar="", default_text="false"),
    Setting("dedup_window", seconds, 900.0, "an equal request within this time is acknowledged, "
            "not stored again", metavar="SECONDS"),
    Setting("retain_days", number, 7.0, "records older than this are dropped", metavar="DAYS"),
    Setting("retain_bytes", byte_count, 20 * GIB, "oldest records are dropped above this size (at "
            "most half of the free disk)", metavar="BYTES", default_text="20GiB"),
    Setting("min_free_bytes", byte_count, 256 * MIB, "new data is refused before less of the disk "
            "is free", metavar="BYTES", default_text="256MiB"),
    Setting("memory_limit", byte_count, 2 * GIB, "memory for queries and sealing",
            metavar="BYTES", default_text="2GiB"),
    Setting("seal_rows", count, 1_000_000, "hot rows that make a sealed segment", metavar="COUNT"),
    Setting("seal_bytes", byte_count, 64 * MIB, "hot bytes that make a sealed segment",
            metavar="BYTES", default_text="64MiB"),
    Setting("seal_after", seconds, 600.0, "age of the oldest hot row that makes a sealed segment",
            metavar="SECONDS"),
    Setting("compact_files", count, 8, "small segments of a kind that are merged into one",
            metavar="COUNT"),
    Setting("max_request_bytes", byte_count, 64 * MIB, "largest request, before and after "
            "decompression", metavar="BYTES", default_text="64MiB"),
    Setting("max_in_flight_bytes", byte_count, 256 * MIB, "bytes of requests that are taken in and "
            "not yet durable; more wait shortly, then are refused", metavar="BYTES",
            default_text="256MiB"),
    Setting("rules", names, (), "Prometheus rule files to evaluate: paths and globs, separated by "
            "commas", metavar="FILES", default_text="none"),
    Setting("rule_interval", seconds, 60.0, "how often rules are evaluated whose group does not "
            "say", metavar="SECONDS"),
    Setting("rule_query_offset", seconds, 0.0, "how far back rules look, for data that comes late",
            metavar="SECONDS"),
    Setting("alertmanager", urls, (), "Alertmanagers that are told of alerts, separated by commas",
            metavar="URLS", default_text="none"),
    Setting("alert_webhook", urls, (), "addresses that get each alert with its evidence as JSON",
            metavar="URLS", default_text="none"),
    Setting("alerting", path, None, "Prometheus configuration whose section `alerting` says who is "
            "told, with which credentials, and how alerts are relabelled", metavar="FILE",
            default_text="none"),
    Setting("alert_resend_delay", seconds, 60.0, "how often Alertmanagers are told again of an "
            "alert that goes on", metavar="SECONDS"),
    Setting("alert_for_grace", seconds, 600.0, "alerts with a shorter `for` begin anew after a "
            "restart; others fire at the earliest so long after it", metavar="SECONDS"),
    Setting("alert_outage_tolerance", seconds, 3600.0, "after a longer outage every alert begins "
            "anew", metavar="SECONDS"),
    Setting("external_labels", label_pairs, (), "NAME=VALUE pairs added to every alert, separated "
            "by commas", metavar="LABELS", default_text="none"),
    Setting("external_url", text, "", "address of this server in links of alerts",
            metavar="URL", default_text="the web address"),
    Setting("promote_resource_attributes", names, PROMOTED, "attributes of resources that become "
            "labels of their metrics", metavar="NAMES", default_text=f"`{','.join(PROMOTED)}`"),
    Setting("span_series", chosen_families, FAMILIES, "which metrics are made of spans",
            metavar="NAMES", default_text=f"`{','.join(FAMILIES)}`"),
    Setting("own_series_interval", seconds, 0.0, "how often own metrics are stored as series; "
            "0: never", metavar="SECONDS"),
    Setting("log_level", log_level, "info", "least severe log line on standard error",
            metavar="LEVEL"),
)  # fmt: skip
BY_NAME = {setting.name: setting for setting in SETTINGS}
CONFIG_VARIABLE = "LONGPOLE_CONFIG"


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, resolved. Fields are the names of the table."""

    data_dir: Path
    url: str | None
    otlp_grpc: str
    otlp_http: str
    web: str
    web_host: tuple[str, ...]
    auth_token_file: Path | None
    insecure_allow_remote: bool
    settle_after: float
    settle_at_most: float
    settle_in_server: bool
    dedup_window: float
    retain_days: float
    retain_bytes: int
    min_free_bytes: int
    memory_limit: int
    seal_rows: int
    seal_bytes: int
    seal_after: float
    compact_files: int
    max_request_bytes: int
    max_in_flight_bytes: int
    rules: tuple[str, ...]
    rule_interval: float
    rule_query_offset: float
    alertmanager: tuple[str, ...]
    alert_webhook: tuple[str, ...]
    alerting: Path | None
    alert_resend_delay: float
    alert_for_grace: float
    alert_outage_tolerance: float
    external_labels: tuple[tuple[str, str], ...]
    external_url: str
    promote_resource_attributes: tuple[str, ...]
    span_series: tuple[str, ...]
    own_series_interval: float
    log_level: str
    thresholds: Thresholds = Thresholds()

    def auth_token(self) -> Secret | None:
        """The token of `auth_token_file`, without surrounding blanks.

        Raises `SettingRefused` for a file that cannot be read or is empty.
        """
        if self.auth_token_file is None:
            return None
        try:
            token = self.auth_token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise SettingRefused(
                f"--auth-token-file {self.auth_token_file} cannot be read: {reason}"
            ) from None
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise SettingRefused(
                f"--auth-token-file {self.auth_token_file} must hold one printable ASCII word"
            )
        return Secret(token)

    def warnings(self) -> list[str]:
        """What an operator should know about these settings before going on."""
        file = self.auth_token_file
        if file is not None and file.exists() and file.stat().st_mode & stat.S_IROTH:
            return [f"{file} holds the token and every user of this machine can read it"]
        return []


def environment() -> Mapping[str, str]:
    """The process environment, read here and nowhere else."""
    return dict(os.environ)


def unknown_variables(env: Mapping[str, str]) -> list[str]:
    """Variables that look like ours and that no setting reads: most likely typos."""
    known = {setting.variable for setting in SETTINGS} | {CONFIG_VARIABLE}
    known |= threshold_settings.VARIABLES
    return sorted(name for name in env if name.startswith("LONGPOLE_") and name not in known)


def resolve(flags: Mapping[str, Any], env: Mapping[str, str]) -> Settings:
    """Combine the four sources.

    `flags` maps names of the table, and `config`, to what was given on the command line, None
    when it was not. Raises `SettingRefused` for a value that does not parse, a TOML file that
    cannot be read, or a key in it that no setting has.
    """
    given_file = flags.get("config") or env.get(CONFIG_VARIABLE)
    file = _read_toml(Path(str(given_file))) if given_file else {}
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        if flags.get(setting.name) is not None:
            source, raw = setting.flag, flags[setting.name]
        elif env.get(setting.variable):
            source, raw = setting.variable, env[setting.variable]
        elif setting.name in file:
            source, raw = f"{setting.name} in {given_file}", file[setting.name]
        else:
            values[setting.name] = setting.default
            continue
        try:
            values[setting.name] = setting.parse(raw)
        except (ValueError, TypeError, OverflowError) as error:
            raise SettingRefused(f"{source}: {str(raw)[:80]!r} does not fit: {error}") from None
    if values["data_dir"] is None:
        values["data_dir"] = default_data_dir(env)
    try:
        values["thresholds"] = threshold_settings.thresholds_of(
            env, file.get(threshold_settings.TABLE), str(given_file)
        )
    except ValueError as error:
        raise SettingRefused(str(error)) from None
    return Settings(**values)


def default_data_dir(env: Mapping[str, str]) -> Path:
    """Where data goes when nobody says (XDG base directories)."""
    base = env.get("XDG_DATA_HOME") or ""
    home = Path(env.get("HOME") or "~").expanduser()
    return (Path(base) if base.startswith("/") else home / ".local" / "share") / "longpole"


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(file.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingRefused(f"--config {file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingRefused(f"--config {file} is not TOML: {error}") from None
    for key in content:
        if key not in BY_NAME and key != threshold_settings.TABLE:
            raise SettingRefused(f"--config {file}: there is no setting {key!r}{_nearest(key)}")
    return content


def _nearest(key: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(key.replace("-", "_"), BY_NAME, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def shown_settings(settings: Settings) -> list[tuple[str, str, str]]:
    """Flag, value and meaning of every setting of a server. Of a token only that there is one."""
    rows = []
    for setting in SETTINGS:
        if setting.of == "client":
            continue
        value = getattr(settings, setting.name)
        if setting.name == "auth_token_file":
            text = "set" if value else "none"
        elif setting.parse is byte_count:
            text = _size_text(value)
        elif setting.parse is seconds:
            text = f"{value:g} s"
        elif isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, tuple):
            text = ", ".join("=".join(v) if isinstance(v, tuple) else v for v in value) or "none"
        else:
            text = f"{value:,}" if isinstance(value, int) else str(value)
        rows.append((setting.flag, text, setting.help))
    return rows


def _size_text(count: int) -> str:
    scale, unit = (GIB, "GiB") if count % GIB == 0 else (MIB, "MiB")
    return f"{count // scale} {unit}" if count and count % scale == 0 else f"{count:,} bytes"
