"""What every test shares: how property tests search."""

from __future__ import annotations

from hypothesis import settings

# `make test` has to give the same answer twice; `make test-all` looks for new examples
# (--hypothesis-profile=explore).
settings.register_profile(
    "repeatable", max_examples=40, derandomize=True, deadline=None, print_blob=True
)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("repeatable")
