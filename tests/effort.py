"""How hard property tests search: a few examples in `make test`, many in `make test-all`."""

from __future__ import annotations

from hypothesis import settings


def examples(few: int, many: int) -> settings:
    """So many examples, however long each takes; which number holds is decided on import."""
    is_exploring = settings.get_current_profile_name() == "explore"
    return settings(max_examples=many if is_exploring else few, deadline=None)
