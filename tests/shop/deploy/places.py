"""Where the deployment files are, and how they are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from shop.chassis.settings import settings_table

ROOT = Path(__file__).parents[3]
SAMPLE_APPS = ROOT / "sample-apps"
DEPLOY = SAMPLE_APPS / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
MESH = DEPLOY / "mesh"
ENVOY = DEPLOY / "envoy"

Document = dict[str, Any]

_IS_SECRET = {row.variable: row.is_secret for row in settings_table()}


def documents(path: Path) -> list[Document]:
    """All documents of a YAML file, in order."""
    return list(yaml.safe_load_all(path.read_text()))


def manifests() -> Iterator[tuple[Path, Document]]:
    """Every object of kubernetes/*.yaml with its file, but for the kustomization."""
    for path in sorted(KUBERNETES.glob("*.yaml")):
        if path.name != "kustomization.yaml":
            yield from ((path, document) for document in documents(path))


def is_well_told(variable: str) -> bool:
    """Whether the shop reads this variable, and a secret one from a file."""
    if variable in _IS_SECRET:
        return not _IS_SECRET[variable]
    return _IS_SECRET.get(variable.removesuffix("_FILE"), False)
