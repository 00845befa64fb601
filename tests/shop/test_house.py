"""The house rules of the shop that a machine can check; each failure says what to do."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from shop.faults.catalogue import CATALOGUE

SAMPLE_APPS = Path(__file__).parents[2] / "sample-apps"
SHOP = SAMPLE_APPS / "shop"
GENERATED = re.compile(r"_pb2(_grpc)?\.py$")
MODULES = sorted(path for path in SHOP.rglob("*.py") if not GENERATED.search(path.name))
SERVICES = sorted(path.parent.name for path in SHOP.glob("*/contract.py"))
FORBIDDEN_NAMES = {"utils", "util", "common", "core", "helpers", "helper", "manager", "misc"}
# What one service may know of another: what it promises, and how to call it.
PUBLIC = {"contract", "client"}

each_module = pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SHOP)))


@each_module
def test_a_module_says_what_it_owns(path: Path) -> None:
    assert ast.get_docstring(tree(path)), "begin with a one-sentence docstring"


@each_module
def test_a_module_is_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400, "split it: one concept per file"


@each_module
def test_a_module_is_named_after_a_concept(path: Path) -> None:
    assert path.stem not in FORBIDDEN_NAMES, "name the file after the one concept it holds"


@each_module
def test_the_shop_speaks_only_opentelemetry(path: Path) -> None:
    known = {name.split(".")[0] for name in imported(path)}
    assert "longpole" not in known, "the shop must run with any backend: send OTLP"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_knows_others_by_contract_and_client(service: str) -> None:
    guilty = {
        f"{path.name} imports {name}"
        for path in (SHOP / service).glob("*.py")
        for name in imported(path)
        for other in [name.split(".")]
        if other[0] == "shop" and len(other) > 2 and other[1] in SERVICES
        if other[1] != service and other[2] not in PUBLIC
    }
    assert not guilty, "ask the other service over the network, by its contract and client"


def test_the_chassis_knows_no_service() -> None:
    above = {*SERVICES, "load", "commands", "registry", "monolith", "topology"}
    guilty = {
        f"{path.name} imports {name}"
        for path in (SHOP / "chassis").glob("*.py")
        for name in imported(path)
        if name.startswith("shop.") and name.split(".")[1] in above
    }
    assert not guilty, "the chassis carries any service; give it what it needs as an argument"


def test_only_the_settings_read_the_environment() -> None:
    # Telemetry sets what the instrumentations read from nowhere else; it is handed the value.
    allowed = {"chassis/settings.py", "chassis/telemetry.py"}
    guilty = {
        str(path.relative_to(SHOP))
        for path in MODULES
        if re.search(r"\bos\.(environ|getenv)\b", path.read_text())
    }
    assert guilty <= allowed, "take it from Settings"


def test_every_fault_is_asked_for_and_exists() -> None:
    text = {path: path.read_text() for path in MODULES if "faults" not in path.parts}
    said = {
        node.value
        for path, words in text.items()
        if any(name in words for name in CATALOGUE)
        for node in ast.walk(ast.parse(words))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    # A name is said as a constant of its own, and nowhere but where it takes effect.
    assert sorted(set(CATALOGUE) - said) == [], "faults.toml has faults that nothing makes true"


def test_every_name_that_is_asked_for_is_a_fault() -> None:
    asked = {name for path in MODULES for name in fault_names_asked(path)}
    assert asked, "nothing asks for a fault"
    assert sorted(asked - set(CATALOGUE)) == [], "faults.toml lacks them"


def test_a_fault_points_to_a_service_and_a_detector_word() -> None:
    names = {"gateway", *(f"{name}-service" for name in SERVICES if name != "gateway")}
    for fault in tomllib.loads((SAMPLE_APPS / "faults.toml").read_text())["fault"]:
        assert fault["service"] in names, fault["name"]
        assert set(fault.get("edge", [])) <= names, fault["name"]
        assert fault["visible"] in ("trace", "window"), fault["name"]
        assert re.fullmatch(r"[a-z0-9_]+", fault["detector"]), fault["name"]


def tree(path: Path) -> ast.Module:
    """The module, parsed."""
    return ast.parse(path.read_text())


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports; `from shop.user import logic` is shop.user.logic too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def fault_names_asked(path: Path) -> Iterator[str]:
    """The names in `….active("name")` and in `….active(NAME)`, NAME a constant of the module."""
    module = tree(path)
    constants = {
        target.id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(module):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr != "active" or not node.args:
            continue
        argument = node.args[0]
        if isinstance(argument, ast.Constant):
            yield str(argument.value)
        elif isinstance(argument, ast.Name) and argument.id in constants:
            yield str(constants[argument.id])
