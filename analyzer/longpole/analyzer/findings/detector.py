"""What a detector is: a rule that looks at one explained trace."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias

from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.model.finding import Finding

Rule: TypeAlias = Callable[[Explanation, Thresholds], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Detector:
    """`identifier` is what scripts rely on; `title` and `rule_in_words` go into the docs. `look`
    must be cheap on a trace that shows nothing: it runs for every trace that settles, but, where
    it `needs_failure`, only for those in which the status of a span says error: of others it has
    nothing to say."""

    identifier: str
    title: str
    rule_in_words: str
    look: Rule
    needs_failure: bool = False


def fingerprint_of(detector: str, *where: str) -> str:
    """16 hex digits; equal for equal words, whatever the process."""
    text = "\0".join((detector, *where))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
