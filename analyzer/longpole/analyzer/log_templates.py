"""Log templates: which log texts come from the same statement in a program.

`connected to 10.0.0.7 in 12 ms` and `connected to 10.0.0.9 in 3 ms` are both
`connected to <*> in <*> ms`. The way is that of Drain (He et al., "Drain: An Online Log Parsing
Approach with Fixed Depth Tree", ICWS 2017): words with a digit are variables; texts with the same
number of words and the same first word are compared word by word; what is alike enough becomes
one template. Unlike Drain, distinct texts are taken in alphabetical order, so that the outcome
never depends on the order in which records arrived.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

WILDCARD = "<*>"
OTHER = "<other>"  # of the texts beyond what is told apart

_LONGEST_TEXT = 1_000  # characters of a body that are looked at
_MOST_WORDS = 48
_MOST_TEMPLATES = 2_000
_MOST_AT_A_LEAF = 24  # templates that one text is compared with
_LEAST_LIKENESS = 0.7  # share of a template's fixed words that a text has too
_FEWEST_ALIKE = 2  # words in common: below that, being alike says nothing
_LEAST_FIXED = 0.5  # share of its words that a template keeps, whatever it takes in

# A word with a digit: an id, a time, an address, an amount. The look-behind lets a match begin
# only where a word begins, and nothing backtracks, so that it stays linear on hostile text.
_VARIABLE = re.compile(r"(?<![\w.:+-])[^\W\d]*+(?:[.:+-]++[^\W\d]*+)*+\d\w*+(?:[.:+-]++\w++)*+")
_WORD = re.compile(r"[\w.:+<*>-]+")


@dataclass(slots=True)
class _Cluster:
    """Texts of one statement. `words` has WILDCARD where they differ, `gaps` what stands
    between the words (one more than words)."""

    words: list[str]
    gaps: list[str]
    texts: list[str] = field(default_factory=list)

    @property
    def template(self) -> str:
        """As a person reads it."""
        parts = [self.gaps[0]]
        for word, gap in zip(self.words, self.gaps[1:], strict=True):
            parts += (word, gap)
        return "".join(parts).strip()


def templates_of(bodies: Sequence[str], most_templates: int = _MOST_TEMPLATES) -> list[str]:
    """The template of each body, in the same order; equal for texts of one statement.

    Templates depend on the whole set of bodies, not on their order: hand in the records that
    are to be compared (a window and what was before it) in one call. At most `most_templates`
    are told apart; further texts get `OTHER`. Of a body its first line counts, or the last one
    of a Python traceback, and of that 1,000 characters. Takes time linear in the text.
    """
    masked_of: dict[str, str] = {}
    for body in bodies:
        if body not in masked_of:
            masked_of[body] = masked(body)
    template_of: dict[str, str] = {}
    leaves: dict[tuple[int, str], list[_Cluster]] = {}
    count = 0
    for text in sorted(set(masked_of.values())):
        words, gaps = _split(text)
        leaf = leaves.setdefault((len(words), words[0] if words else text[:80]), [])
        cluster = _nearest(leaf, words)
        if cluster is None:
            if count >= most_templates or len(leaf) >= _MOST_AT_A_LEAF:
                template_of[text] = OTHER
                continue
            cluster = _Cluster(words, gaps)
            leaf.append(cluster)
            count += 1
        else:
            _take_in(cluster, words)
        cluster.texts.append(text)
    for leaf in leaves.values():
        for cluster in leaf:
            template_of.update(dict.fromkeys(cluster.texts, cluster.template))
    return [template_of[masked_of[body]] for body in bodies]


def masked(body: str) -> str:
    """The telling line of a body, its words with digits replaced by WILDCARD."""
    return _VARIABLE.sub(WILDCARD, telling_line(body))


def telling_line(body: str) -> str:
    """The first line with text; of a Python traceback the last one, which names the error."""
    text = body.strip()
    if text.startswith("Traceback (most recent call last)"):
        line = text[text.rfind("\n") + 1 :]
    else:
        line = text.partition("\n")[0]
    return " ".join(line[:_LONGEST_TEXT].split())


def _split(text: str) -> tuple[list[str], list[str]]:
    """Words and what stands between them; the rest of an endless text is one last gap."""
    words: list[str] = []
    gaps: list[str] = []
    at = 0
    for match in _WORD.finditer(text):
        if len(words) >= _MOST_WORDS:
            gaps.append(text[at : match.start()] + "…")
            return words, gaps
        gaps.append(text[at : match.start()])
        words.append(match[0])
        at = match.end()
    gaps.append(text[at:])
    return words, gaps


def _nearest(leaf: list[_Cluster], words: list[str]) -> _Cluster | None:
    """The cluster that these words are most like, if they are like it enough."""
    best: _Cluster | None = None
    best_likeness = 0.0
    for cluster in leaf:
        fixed = alike = both = 0
        for known, word in zip(cluster.words, words, strict=True):
            if known != WILDCARD:
                fixed += 1
                if known == word:
                    alike += 1
            elif word == WILDCARD:
                both += 1
        if fixed == alike:  # equal but for what is variable already
            likeness = 1.0 + both
        elif alike < _FEWEST_ALIKE or alike < _LEAST_FIXED * len(words):
            continue
        else:
            likeness = alike / fixed
        if likeness >= _LEAST_LIKENESS and likeness > best_likeness:
            best, best_likeness = cluster, likeness
    return best


def _take_in(cluster: _Cluster, words: list[str]) -> None:
    for place, word in enumerate(words):
        if cluster.words[place] != word:
            cluster.words[place] = WILDCARD
