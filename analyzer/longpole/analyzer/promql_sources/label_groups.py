"""Label sets that share most of their labels, so that names and values are listed without writing
every set out: a service's bucket `le="0.1"` has the labels of the service.

    shared {service="web"}   places [__name__="x_count"], [__name__="x_bucket", le="0.1"], …
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from longpole.analyzer.promql.series import Labels, labels_of
from longpole.model.clock import Clock

_T = TypeVar("_T")
Place: TypeAlias = tuple[tuple[str, str], ...]
# Completion asks for names, then values, then more values.
_KEPT_NS = 5_000_000_000
_KEPT = 8


@dataclass(frozen=True, slots=True)
class LabelGroup:
    """One label set for each place: `shared` and the place's own labels; empty values are none."""

    shared: Mapping[str, str]
    places: Sequence[Place]


def label_sets(groups: Iterable[LabelGroup]) -> Iterator[Labels]:
    """Every label set."""
    for group in groups:
        for place in group.places:
            yield labels_of({**group.shared, **dict(place)})


def names_of(groups: Iterable[LabelGroup]) -> set[str]:
    """The names of all labels."""
    found: set[str] = set()
    seen: set[int] = set()
    for group in groups:
        found.update(name for name, value in group.shared.items() if value)
        # Groups of one family share their places.
        if id(group.places) not in seen:
            seen.add(id(group.places))
            found.update(name for place in group.places for name, value in place if value)
    return found


def values_of(groups: Iterable[LabelGroup], name: str) -> set[str]:
    """The values that one label has."""
    found: set[str] = set()
    for group in groups:
        if shared := group.shared.get(name):
            found.add(shared)
        else:
            found.update(
                value for place in group.places for key, value in place if key == name and value
            )
    return found


class RecentReads(Generic[_T]):
    """What was read in the last few seconds, by what was asked; a few answers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: tuple[tuple[Hashable, int, _T], ...] = ()

    def get(self, asked: Hashable, read: Callable[[], _T]) -> _T:
        """What is held, or else what `read` gives now."""
        now = self._clock.monotonic_ns()
        held = tuple(one for one in self._held if now - one[1] < _KEPT_NS)
        for known, _, found in held:
            if known == asked:
                return found
        found = read()
        self._held = (*held[1 - _KEPT :], (asked, now, found))
        return found
