"""What every test shares: how property tests search, and in which order workers take tests."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from hypothesis import settings

from tests import schedule

# `make test` has to give the same answer twice; `make test-all` looks for new examples
# (--hypothesis-profile=explore).
settings.register_profile(
    "repeatable", max_examples=25, derandomize=True, deadline=None, print_blob=True
)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--fuzz-seconds 600` lets each fuzzer run for ten minutes."""
    parser.addoption("--fuzz-seconds", type=float, default=0.5, help="how long each fuzzer runs")
    parser.addoption("--fuzz-seed", type=int, default=None, help="repeat a run of the fuzzers")


_compiler = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Several workers: one process compiles for all of them."""
    if session.config.getoption("numprocesses", None) and not session.config.option.collectonly:
        session.config.stash[_compiler] = schedule.start_compiling()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave nothing behind."""
    compiler = session.config.stash.get(_compiler, None)
    if compiler is not None:
        compiler.kill()
        compiler.wait()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Only where workers share them: alone, tests run in the order of their files."""
    if hasattr(config, "workerinput"):
        schedule.order(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Ours where whole files are distributed."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return schedule.Schedule(config, log)
