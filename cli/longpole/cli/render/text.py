"""Telemetry on a terminal: inert, and no longer than a reader takes in."""

from __future__ import annotations

from longpole.dashboards.inert_text import NAMELESS
from longpole.dashboards.inert_text import inert as inert


def shortened(text: str, width: int) -> str:
    """At most `width` characters, the last an ellipsis when something is missing."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


# What a reader takes in of a name or a sentence at once; --json has all of it.
LONGEST_NAME, LONGEST_SENTENCE = 120, 800


def name_of(text: str) -> str:
    """The name of a service or an operation, inert and not so long that it hides the rest."""
    return shortened(inert(text[: 2 * LONGEST_NAME]), LONGEST_NAME) if text else NAMELESS


def sentence_of(text: str) -> str:
    """A sentence that may quote telemetry, inert and of bounded length."""
    return shortened(inert(text[: 2 * LONGEST_SENTENCE]), LONGEST_SENTENCE)
