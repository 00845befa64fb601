"""The house rules of the shop that a machine can check; each failure says what to do."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
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


def test_every_module_says_what_it_owns() -> None:
    silent = [named(path) for path in MODULES if not ast.get_docstring(tree(path))]
    assert silent == [], "begin with a one-sentence docstring"


def test_every_module_is_one_sitting() -> None:
    long = [named(path) for path in MODULES if len(path.read_text().splitlines()) > 400]
    assert long == [], "split it: one concept per file"


def test_every_module_is_named_after_a_concept() -> None:
    vague = [named(path) for path in MODULES if path.stem in FORBIDDEN_NAMES]
    assert vague == [], "name the file after the one concept it holds"


def test_the_shop_speaks_only_opentelemetry() -> None:
    guilty = [
        named(path)
        for path in MODULES
        if "longpole" in {name.split(".")[0] for name in imported(path)}
    ]
    assert guilty == [], "the shop must run with any backend: send OTLP"


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
        named(path) for path in MODULES if re.search(r"\bos\.(environ|getenv)\b", path.read_text())
    }
    assert guilty <= allowed, "take it from Settings"


def test_every_fault_is_asked_for_and_exists() -> None:
    said = {
        node.value
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    # A name is a constant of its own where it takes effect.
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


def named(path: Path) -> str:
    """The file, as one says it."""
    return path.relative_to(SHOP).as_posix()


@cache
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
