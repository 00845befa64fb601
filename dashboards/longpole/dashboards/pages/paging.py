"""Pages of a long list: which one is shown, and the addresses of those around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

from longpole.dashboards import parameters

MOST_PAGES = 10_000
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Paging:
    """Page `number` (from 1) of `last`, with the rows `first` to `final` (from 1) of `count`.
    Addresses are empty where there is no such page."""

    number: int
    last: int
    first: int
    final: int
    count: int
    before: str
    after: str
    end: str

    def of(self, rows: Sequence[_Row]) -> Sequence[_Row]:
        """The rows of this page; none beyond the last page."""
        return rows[self.first - 1 : self.final]


def page_number(given: Mapping[str, Sequence[str]]) -> int:
    """The page that is asked for, 1 without a word; raises `BadQuestion` for what is no page."""
    return parameters.whole(parameters.first(given, "page") or "1", "page", 1, MOST_PAGES)


def paging(
    number: int, count: int, per_page: int, kept: Iterable[tuple[str, str]], anchor: str = ""
) -> Paging:
    """Page `number` of `count` rows; `kept` are all other parameters of the address, `anchor` is
    where on the page its links lead."""
    last = max(1, -(-count // per_page))
    others = [(name, value) for name, value in kept if name != "page"]

    def to(page: int) -> str:
        if not 1 <= page <= last:
            return ""
        return "?" + urlencode([*others, ("page", page)]) + anchor

    return Paging(
        number=number,
        last=last,
        first=per_page * (number - 1) + 1,
        final=min(count, per_page * number),
        count=count,
        before=to(number - 1),
        after=to(number + 1),
        end=to(last),
    )
