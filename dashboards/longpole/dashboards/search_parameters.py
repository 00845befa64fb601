"""URL parameters of a search as a `Search`, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlencode

from longpole.analyzer.reports.search_report import PER_PAGE, Part, Search
from longpole.dashboards import parameters
from longpole.dashboards.errors import BadQuestion
from longpole.dashboards.parameters import FILTERS, Parameters
from longpole.model.clock import Clock
from longpole.storage.search_ports import TraceOrder

# What decides which traces are found, and in which order.
SEARCH = (FILTERS - {"limit"}) | {"sort", "before", "cause"}
OWN = frozenset({"page", "per_page", "with"})
MOST_PAGES = 1_000
DEFAULT_SINCE = "1h"


def search_of(asked: Parameters, clock: Clock) -> Search:
    """`sort` is an order, `page` counts from 1, `before` (a moment) leaves out traces that began
    since, `cause` is the key of a group. Raises `BadQuestion`."""
    order = parameters.first(asked, "sort") or TraceOrder.NEWEST.value
    if order not in set(TraceOrder):
        raise BadQuestion(f"sort: choose from {', '.join(TraceOrder)}")
    page = parameters.first(asked, "page")
    per_page = parameters.first(asked, "per_page")
    before = parameters.first(asked, "before")
    return Search(
        parameters.query(asked, clock, default_limit=None),
        TraceOrder(order),
        1 if page is None else parameters.whole(page, "page", 1, MOST_PAGES),
        PER_PAGE if per_page is None else parameters.whole(per_page, "per_page", 1, 500),
        None if before is None else parameters.moment(before, "before", clock),
        parameters.first(asked, "cause") or "",
    )


def parts_of(asked: Parameters) -> tuple[Part, ...]:
    """What `with` asks for, by commas; the list without it."""
    names = (parameters.first(asked, "with") or Part.LIST.value).split(",")
    if any(name not in set(Part) for name in names):
        raise BadQuestion(f"with: choose from {', '.join(Part)}")
    return tuple(Part(name) for name in names)


def with_default_time(asked: Parameters) -> dict[str, list[str]]:
    """The parameters without empty ones; the last hour where no time is asked for."""
    given = {name: list(values) for name, values in asked.items() if any(values)}
    if not given.keys() & {"since", "from", "to"}:
        given["since"] = [DEFAULT_SINCE]
    return given


def address(
    path: str, asked: Mapping[str, Sequence[str]], only: Iterable[str], **changed: str
) -> str:
    """A link to `path` with those of the parameters that are in `only` and the changed ones; an
    empty one is left out."""
    kept = {name: list(values) for name, values in asked.items() if name in set(only)}
    kept |= {name: [value] for name, value in changed.items()}
    pairs = [(name, value) for name, values in kept.items() for value in values if value]
    return f"{path}?{urlencode(pairs)}" if pairs else path
