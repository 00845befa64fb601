"""The text of a query to an expression that can be evaluated."""

from __future__ import annotations

from functools import lru_cache

from longpole.analyzer.promql.checking import checked
from longpole.analyzer.promql.expressions import Expression, Matcher, Shift, VectorSelector
from longpole.analyzer.promql.parsing import Parser
from longpole.analyzer.promql.refusals import QueryError
from longpole.analyzer.promql.tokens import Kind

# In characters.
LONGEST_QUERY = 65_536
# Dashboards ask the same again and again. Queries that people write are shorter than this.
_KEPT, _LONGEST_KEPT = 512, 2_000


def parse(text: str) -> Expression:
    """The expression of a query, its types checked. Raises `QueryError`, which names the place."""
    return _known(text) if len(text) <= _LONGEST_KEPT else _parsed(text)


def _parsed(text: str) -> Expression:
    if len(text) > LONGEST_QUERY:
        raise QueryError(f"the query is longer than {LONGEST_QUERY:,} characters", "", 0)
    parser = Parser(text)
    if parser.next.kind is Kind.END:
        raise parser.error("no expression found in input")
    found = parser.expression(0, 0)
    parser.finish()
    return checked(found, text)


_known = lru_cache(_KEPT)(_parsed)


def parse_selector(text: str) -> tuple[Matcher, ...]:
    """The matchers of `{job="x"}` or `up`, as in `match[]`. Raises `QueryError`."""
    found = parse(text)
    if not isinstance(found, VectorSelector) or found.shift != Shift():
        raise QueryError("only a series selector may stand here", text, 0)
    return found.matchers
