"""What every test shares: how property tests search."""

from __future__ import annotations

import pytest
from hypothesis import settings

# `make test` has to give the same answer twice; `make test-all` looks for new examples
# (--hypothesis-profile=explore).
settings.register_profile(
    "repeatable", max_examples=40, derandomize=True, deadline=None, print_blob=True
)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--fuzz-seconds 600` lets each fuzzer run for ten minutes."""
    parser.addoption("--fuzz-seconds", type=float, default=0.5, help="how long each fuzzer runs")
    parser.addoption("--fuzz-seed", type=int, default=None, help="repeat a run of the fuzzers")
