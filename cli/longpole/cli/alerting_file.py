"""`--alerting FILE`: the `alerting` section of a Prometheus configuration, taken as it is.

alerting:
  alert_relabel_configs: [{action: labeldrop, regex: replica}]
  alertmanagers:
  - scheme: https
    basic_auth: {username: longpole, password_file: /run/secrets/alertmanager}
    static_configs: [{targets: ["alertmanager:9093"]}]
  webhooks:                                    # not Prometheus': where the evidence goes
  - url: https://chat.example/hook
    authorization: {credentials_file: /run/secrets/chat}
    http_headers: {X-Team: {values: [payments]}}

Other sections are left alone, so that a whole prometheus.yml does.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from longpole.analyzer.alerting.relabelling import BadRelabelling, RelabelStep, relabel_step
from longpole.analyzer.promql.tokens import duration_ms
from longpole.cli.alert_sender import TIMEOUT_SECONDS
from longpole.cli.settings import SettingRefused

_ALERTMANAGER = frozenset({
    "scheme", "path_prefix", "timeout", "api_version", "static_configs", "basic_auth",
    "authorization", "http_headers",
})  # fmt: skip
_WEBHOOK = frozenset({"url", "timeout", "basic_auth", "authorization", "http_headers"})
_SECTION = frozenset({"alert_relabel_configs", "alertmanagers", "webhooks"})
# Without a user and a password: addresses end in logs.
_URL = re.compile(r"https?://[^\s/?#@]+(/\S*)?")


class _Wrong(Exception):
    """What is wrong; the path to it is put in front."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Somebody who is told: where, with which headers, and how long to wait."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = TIMEOUT_SECONDS

    def __repr__(self) -> str:
        # Headers hold secrets, and what is printed ends in logs.
        return f"Endpoint({self.url!r})"


@dataclass(frozen=True, slots=True)
class AlertingFile:
    """What the section says."""

    relabel: tuple[RelabelStep, ...] = ()
    alertmanagers: tuple[Endpoint, ...] = ()
    webhooks: tuple[Endpoint, ...] = ()


def read_alerting(file: Path | None) -> AlertingFile:
    """The section of a file; nothing without a file. Raises `SettingRefused`."""
    if file is None:
        return AlertingFile()
    try:
        document = yaml.safe_load(file.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingRefused(f"--alerting {file} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingRefused(f"--alerting {file} is not YAML: {str(error)[:500]}") from None
    try:
        whole = _mapping(document or {}, "the file")
        section = _mapping(whole.get("alerting") or {}, "alerting")
        _known(section, _SECTION, "alerting")
        return AlertingFile(
            tuple(_steps(section.get("alert_relabel_configs") or ())),
            tuple(
                one
                for written in _listed(section.get("alertmanagers"), "alertmanagers")
                for one in _alertmanagers(written, file.parent)
            ),
            tuple(
                _webhook(written, file.parent)
                for written in _listed(section.get("webhooks"), "webhooks")
            ),
        )
    except _Wrong as error:
        raise SettingRefused(f"--alerting {file}: {error}") from None


def _steps(written: Any) -> Iterator[RelabelStep]:
    for place, one in enumerate(_listed(written, "alert_relabel_configs"), 1):
        try:
            yield relabel_step(one)
        except BadRelabelling as error:
            raise _Wrong(f"alert_relabel_configs, entry {place}: {error}") from None


def _alertmanagers(written: Any, folder: Path) -> Iterator[Endpoint]:
    entry = _mapping(written, "an entry of alertmanagers")
    _known(entry, _ALERTMANAGER, "alertmanagers")
    scheme = str(entry.get("scheme", "http"))
    if scheme not in ("http", "https"):
        raise _Wrong("scheme is http or https")
    prefix = str(entry.get("path_prefix", "")).strip("/")
    headers, timeout = _headers(entry, folder), _timeout(entry)
    for group in _listed(entry.get("static_configs"), "static_configs"):
        for target in _listed(_mapping(group, "static_configs").get("targets"), "targets"):
            path = f"/{prefix}" if prefix else ""
            url = f"{scheme}://{target}{path}/api/v2/alerts"
            if _URL.fullmatch(url) is None:
                raise _Wrong("a target is host:port")
            yield Endpoint(url, headers, timeout)


def _webhook(written: Any, folder: Path) -> Endpoint:
    entry = _mapping(written, "an entry of webhooks")
    _known(entry, _WEBHOOK, "webhooks")
    url = str(entry.get("url", ""))
    if _URL.fullmatch(url) is None:
        raise _Wrong("a webhook needs a url such as https://host/path; passwords go elsewhere")
    return Endpoint(url, _headers(entry, folder), _timeout(entry))


def _timeout(entry: Mapping[str, Any]) -> float:
    if "timeout" not in entry:
        return TIMEOUT_SECONDS
    try:
        return duration_ms(str(entry["timeout"])) / 1000
    except ValueError as error:
        raise _Wrong(f"timeout: {error}") from None


def _headers(entry: Mapping[str, Any], folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, said in _mapping(entry.get("http_headers") or {}, "http_headers").items():
        values = _mapping(said, f"http_headers {name}")
        texts = [str(one) for kind in ("values", "secrets") for one in values.get(kind) or ()]
        texts += [_secret(folder, str(one)) for one in values.get("files") or ()]
        found[str(name)] = ",".join(texts)
    if "basic_auth" in entry and "authorization" in entry:
        raise _Wrong("at most one of basic_auth and authorization")
    if "basic_auth" in entry:
        basic = _mapping(entry["basic_auth"], "basic_auth")
        _known(basic, frozenset({"username", "password", "password_file"}), "basic_auth")
        pair = f"{basic.get('username', '')}:{_said_or_kept(basic, 'password', folder)}"
        found["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    if "authorization" in entry:
        said = _mapping(entry["authorization"], "authorization")
        _known(said, frozenset({"type", "credentials", "credentials_file"}), "authorization")
        kind = str(said.get("type", "Bearer"))
        found["Authorization"] = f"{kind} {_said_or_kept(said, 'credentials', folder)}"
    if any(not text.isprintable() or not text.isascii() for text in found.values()):
        raise _Wrong("headers are of printable ASCII characters")
    return found


def _said_or_kept(entry: Mapping[str, Any], name: str, folder: Path) -> str:
    """A secret that is written here, or in a file beside this one."""
    if f"{name}_file" in entry:
        return _secret(folder, str(entry[f"{name}_file"]))
    return str(entry.get(name, ""))


def _secret(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise _Wrong(f"the secret in {name} cannot be read") from None


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _Wrong(f"{what} is not a mapping")
    return value


def _listed(value: Any, what: str) -> Sequence[Any]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _Wrong(f"{what} is not a list")
    return value


def _known(entry: Mapping[str, Any], names: frozenset[str], what: str) -> None:
    for name in entry:
        if name not in names:
            raise _Wrong(f"{what}: field {str(name)[:80]} is not known here")
