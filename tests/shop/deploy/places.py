"""Where the deployment files are, and how they are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
SAMPLE_APPS = ROOT / "sample-apps"
DEPLOY = SAMPLE_APPS / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
ENVOY = DEPLOY / "envoy"

Document = dict[str, Any]


def documents(path: Path) -> list[Document]:
    """All documents of a YAML file, in order."""
    return list(yaml.safe_load_all(path.read_text()))


def manifests() -> Iterator[tuple[Path, Document]]:
    """Every object of kubernetes/*.yaml with its file, but for the kustomization."""
    for path in sorted(KUBERNETES.glob("*.yaml")):
        if path.name != "kustomization.yaml":
            yield from ((path, document) for document in documents(path))
