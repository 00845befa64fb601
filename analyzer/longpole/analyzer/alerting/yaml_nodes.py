"""YAML text to plain nodes that know their place, without resolving types.

PyYAML parses; nodes are put together here, without recursion and with a bound on depth, because
rule files need the text of scalars as written (`1.50` stays `1.50`) and the line of each field.
Only the first document counts, as Prometheus has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

DEEPEST = 64
# In bytes; a file with 10,000 rules has about 3 MB.
LARGEST_FILE = 64 * 2**20

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class YamlError(ValueError):
    """The text is no YAML; `line` counts from 1, 0 when it is not known."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column of a node, both from 1; 0 for what is not there."""

    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text as written; `is_plain` without quotes, so that it may be a number or nothing."""

    text: str
    is_plain: bool
    place: Place

    @property
    def is_null(self) -> bool:
        """Whether nothing is meant."""
        return self.is_plain and self.text in _NULLS


@dataclass(frozen=True, slots=True)
class Listing:
    """A sequence."""

    items: list[Node]
    place: Place


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping, in the order of the file, merges (`<<`) not yet done."""

    entries: list[tuple[Node, Node]]
    place: Place


Node: TypeAlias = Scalar | Listing | Fields


@dataclass(slots=True)
class _Open:
    """A collection while its end is not yet read; `key` waits for its value."""

    node: Listing | Fields
    key: Node | None = field(default=None)

    def add(self, node: Node) -> None:
        if isinstance(self.node, Listing):
            self.node.items.append(node)
        elif self.key is None:
            self.key = node
        else:
            self.node.entries.append((self.key, node))
            self.key = None


def first_document(text: str) -> Node | None:
    """The root of the first document; None when there is none. Raises `YamlError`."""
    if len(text) > LARGEST_FILE:
        raise YamlError(f"the file is larger than {LARGEST_FILE:,} bytes", 0)
    try:
        return _composed(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise YamlError(str(said), mark.line + 1 if mark else 0) from None


def _composed(text: str) -> Node | None:
    anchors: dict[str, Node] = {}
    opened: list[_Open] = []
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.DocumentEndEvent):
            return None
        mark = event.start_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place()
        made: Node
        if isinstance(event, yaml.ScalarEvent):
            made = Scalar(event.value, event.style in (None, ""), place)
        elif isinstance(event, yaml.SequenceStartEvent):
            made = Listing([], place)
        elif isinstance(event, yaml.MappingStartEvent):
            made = Fields([], place)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise YamlError(f"unknown anchor '{event.anchor}' referenced", place.line)
            made = anchors[event.anchor]
            if any(made is one.node for one in opened):
                raise YamlError(f"anchor '{event.anchor}' value contains itself", place.line)
        elif isinstance(event, yaml.CollectionEndEvent):
            made = opened.pop().node
            if not opened:
                return made
            opened[-1].add(made)
            continue
        else:
            continue
        if not isinstance(event, yaml.AliasEvent) and event.anchor:
            anchors[event.anchor] = made
        if isinstance(event, yaml.CollectionStartEvent):
            if len(opened) >= DEEPEST:
                raise YamlError(f"nested deeper than {DEEPEST}", place.line)
            opened.append(_Open(made))  # type: ignore[arg-type]
        elif opened:
            opened[-1].add(made)
        else:
            return made
    return None
