"""Addresses of a trace's page: everything that a reader can point at is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode

# What says where the reader looks; the rest of an address (options, the result that the trace was
# opened from) stays when a link leads to another place.
STATE = frozenset({"span", "view", "t", "f", "only", "cp", "g", "root", "context", "retry", "row"})


class SpanOfRow(Protocol):
    """A span on the page, and whether its id is that of other spans, too."""

    @property
    def span_id(self) -> str:
        """As hex."""

    @property
    def row(self) -> int:
        """Where it stands among the columns."""

    @property
    def is_shared(self) -> bool:
        """Whether the id alone would lead to any of several."""


@dataclass(frozen=True, slots=True)
class TraceLinks:
    """Links within one page; `kept` are the parameters that stay."""

    kept: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, asked: Mapping[str, Sequence[str]]) -> TraceLinks:
        """From the parameters of the page."""
        pairs = ((name, value) for name, values in asked.items() for value in values)
        return cls(tuple((name, value) for name, value in pairs if name not in STATE))

    def to(self, **state: object) -> str:
        """A link with this state."""
        return "?" + urlencode([*self.kept, *((k, str(v)) for k, v in state.items())])

    def span(self, span_id: str, **state: object) -> str:
        """A link that selects a span, with the critical path in view."""
        return self.to(span=span_id, cp=1, **state)

    def of_row(self, one: SpanOfRow, **state: object) -> str:
        """A link that selects this very span, also where others have its id."""
        own = {"row": one.row, **state} if one.is_shared else state
        return self.span(one.span_id, **own)
