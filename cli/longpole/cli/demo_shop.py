"""The sample shop as the demo sees it: a command, a catalogue of faults, and a registry."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click
import httpx

from longpole.cli.exit_codes import Exit, Failure, Refused

DISTRIBUTION = "longpole-sample-shop"
INSTALL = "pip install 'longpole[demo]'"
# -P: a folder called `shop` in the current directory is not the sample shop.
COMMAND = (sys.executable, "-P", "-m", "shop")
CATALOGUE_SECONDS = 60
# The registry answers a switch when every instance has applied it.
SWITCH_SECONDS = 20.0


class DemoFailed(Failure):
    """Something of the demo did not do its part."""

    exit_code = int(Exit.BAD_NEWS)


@dataclass(frozen=True, slots=True)
class Fault:
    """What the demo needs of a row of the catalogue. `root` is the operation whose traces the
    fault affects, `say` the answer that an analysis should come to."""

    name: str
    summary: str
    root: str
    say: str


def require_shop() -> None:
    """Raises `Refused`, which says how to install it, when the shop is not there."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        distribution(DISTRIBUTION)
    except PackageNotFoundError:
        raise Refused(f"the sample shop is not installed; get it with: {INSTALL}") from None


def catalogue(env: Mapping[str, str]) -> list[Fault]:
    """Every fault that the shop knows, in its order. Raises `DemoFailed`."""
    command = [*COMMAND, "faults", "--json"]
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, env=dict(env), check=False,
            timeout=CATALOGUE_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise DemoFailed("the sample shop does not say which faults it knows") from None
    if run.returncode != 0:
        raise DemoFailed(f"the sample shop does not start:\n{last_lines(run.stderr)}")
    try:
        return [_fault(row) for row in _rows(run.stdout)]
    except (ValueError, KeyError, TypeError) as error:
        raise DemoFailed(f"the shop's catalogue of faults cannot be read: {error!r}") from None


def _rows(text: str) -> list[dict[str, Any]]:
    document = json.loads(text)
    return list(document["faults"] if isinstance(document, dict) else document)


def _fault(row: Mapping[str, Any]) -> Fault:
    return Fault(*(str(row[key]) for key in ("name", "summary", "root", "say")))


def chosen(faults: list[Fault], name: str) -> Fault:
    """The fault of this name. Raises `Refused`, with a near name if there is one."""
    for fault in faults:
        if fault.name == name:
            return fault
    import difflib

    close = difflib.get_close_matches(name, [fault.name for fault in faults], n=1)
    hint = f"did you mean {close[0]!r}?" if close else "--list-faults shows them"
    raise Refused(f"--fault: there is no fault {name!r}; {hint}")


def last_lines(text: str, count: int = 12) -> str:
    """The end of what a process wrote."""
    return "\n".join(text.strip().splitlines()[-count:])


class Registry:
    """Switches faults in a running shop."""

    def __init__(self, url: str) -> None:
        # trust_env=False: a proxy for the internet has no business with this address.
        self._client = httpx.Client(base_url=url, timeout=SWITCH_SECONDS, trust_env=False)

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def switch_on(self, fault: str) -> dict[str, Any]:
        """The label so far, with `start_unix_nano`: from then on every instance has it."""
        return self._switch("PUT", fault, {})

    def switch_off(self, fault: str) -> dict[str, Any]:
        """The finished label, with `end_unix_nano`: until then every instance had it."""
        return self._switch("DELETE", fault, None)

    def _switch(self, method: str, fault: str, body: Any) -> dict[str, Any]:
        try:
            response = self._client.request(method, f"/v1/faults/{fault}", json=body)
            response.raise_for_status()
            label = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise DemoFailed(f"the shop's registry does not switch {fault}: {error}") from None
        if not isinstance(label, dict) or not isinstance(label.get("start_unix_nano"), int):
            raise DemoFailed("the shop's registry does not say when the fault began")
        return label


def faults_text(faults: list[Fault]) -> str:
    """Names and summaries, aligned."""
    formatter = click.HelpFormatter(width=100)
    formatter.write_dl([(fault.name, fault.summary) for fault in faults])
    return formatter.getvalue().rstrip("\n")
