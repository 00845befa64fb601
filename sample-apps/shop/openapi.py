"""The OpenAPI documents of all services, made from their code, and kept beside it as contracts.

    shop/<service>/api.py ──document_of──▶ document ──compare──▶ openapi/<service>.json

Written, a document may only grow; a change that breaks a client is refused (`openapi_changes`).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from shop.chassis.build import make_chassis
from shop.chassis.ports import Database
from shop.chassis.settings import Settings
from shop.openapi_changes import breaking_changes
from shop.topology import SERVICES, build_of

FOLDER = Path(__file__).resolve().parents[1] / "openapi"
"""Where the documents are in the checkout; an installed shop has none."""

# Nothing is signed with it: a service does not start without one.
_KEY = "only-for-making-the-contracts-0123456789"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is kept of one service's contract against what its code says now. `breaking` is in
    words; `is_same` False with nothing breaking means that the contract grew."""

    service: str
    document: Mapping[str, Any]
    is_same: bool
    breaking: Sequence[str]


@cache
def document_of(service: str, release: str = "") -> dict[str, Any]:
    """The OpenAPI document of a service, made once and not to be changed. Its parts are put
    together, over an empty database, and not started; as those of that release, if one is named.
    Raises KeyError for another name."""
    with tempfile.TemporaryDirectory(prefix="shop-openapi-") as folder:
        settings = Settings(
            service_name=service,
            instance_id=service,
            data_dir=Path(folder),
            jwt_secret=_KEY,
        )
        if release:
            settings = replace(settings, version=release)
        chassis = make_chassis(settings)
        opened: list[Database] = []

        def database(schema: Sequence[str]) -> Database:
            opened.append(chassis.database(schema))
            return opened[-1]

        try:
            return build_of(service)(replace(chassis, database=database)).app.openapi()
        finally:
            # What was never started can't be stopped; files are all that is open.
            for each in opened:
                each.close()


def written(document: Mapping[str, Any]) -> str:
    """A document as its file has it."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def compare(service: str, folder: Path = FOLDER) -> Comparison:
    """The file of a service against its code. A file that is missing was never promised."""
    document = document_of(service)
    file = folder / f"{service}.json"
    if not file.exists():
        return Comparison(service, document, is_same=False, breaking=())
    text = file.read_text(encoding="utf-8")
    return Comparison(
        service,
        document,
        is_same=text == written(document),
        breaking=breaking_changes(json.loads(text), document),
    )


def check(folder: Path = FOLDER) -> list[str]:
    """In words, how files and code disagree; empty when they do not."""
    words = []
    for service in SERVICES:
        found = compare(service, folder)
        words += [f"{service} breaks its clients: {change}" for change in found.breaking]
        if not found.is_same and not found.breaking:
            words.append(f"{service}: the code says more than its file")
    strangers = {file.stem for file in folder.glob("*.json")} - set(SERVICES)
    return words + [f"{name}.json belongs to no service" for name in sorted(strangers)]


def write(folder: Path = FOLDER) -> list[str]:
    """Write what grew. In words, what was refused because it breaks clients; such a service's
    file stays as it was."""
    folder.mkdir(parents=True, exist_ok=True)
    refused = []
    for service in SERVICES:
        found = compare(service, folder)
        refused += [f"{service} breaks its clients: {change}" for change in found.breaking]
        if not found.breaking and not found.is_same:
            (folder / f"{service}.json").write_text(written(found.document), encoding="utf-8")
    return refused
