"""Regular expressions over texts that come one by one, in time that grows with the text only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

MOST_REMEMBERED = 10_000


def searches(patterns: Sequence[str], whole: bool = False) -> Callable[[str], bool]:
    """Whether RE2 finds any of these patterns in a text, or matches the `whole` of it. Answers are
    remembered: labels repeat."""
    expressions = [rf"(?s)\A(?:{one})\z" if whole else one for one in patterns]
    known: dict[str, bool] = {}

    def found(text: str) -> bool:
        answer = known.get(text)
        if answer is None:
            value = pa.array([text], pa.string())
            answer = any(
                bool(pc.match_substring_regex(value, one)[0].as_py()) for one in expressions
            )
            if len(known) < MOST_REMEMBERED:
                known[text] = answer
        return answer

    return found
