"""What path time can be grouped by, and which stored columns that takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from longpole.analyzer.path_aggregate import Group
from longpole.storage.ports import PATH_GROUP_COLUMNS

CALL_PATH = "call_path"
CALL_PATH_ID = "call_path_id"
EDGE = "edge"
# What a caller may ask for: the stored columns, the chain of calls, and the network edge.
GROUP_NAMES = (*PATH_GROUP_COLUMNS, CALL_PATH, EDGE)
_NEEDS = {CALL_PATH: (CALL_PATH_ID,), EDGE: ("service", "label", "peer_service")}
UNKNOWN_CALLEE = "?"


def stored_columns(names: Sequence[str]) -> tuple[str, ...]:
    """The columns of storage that these names are made of, each once. Raises ValueError for a
    name that is not in `GROUP_NAMES` or comes twice."""
    for place, name in enumerate(names):
        if name not in GROUP_NAMES or name in names[:place]:
            allowed = ", ".join(GROUP_NAMES)
            raise ValueError(f"cannot group by {name!r}: choose from {allowed}, each at most once")
    return tuple(dict.fromkeys(column for name in names for column in _NEEDS.get(name, (name,))))


def is_stored(names: Sequence[str]) -> bool:
    """Whether storage knows all of these names itself."""
    return all(name not in _NEEDS for name in names)


def regrouping(names: Sequence[str]) -> Callable[[Group], Group]:
    """From values of `stored_columns(names)` to values of `names`. A call path stays its id."""
    place = {column: place for place, column in enumerate(stored_columns(names))}
    plain = [place.get(_NEEDS[name][0] if name == CALL_PATH else name, -1) for name in names]
    if EDGE not in names:
        return lambda group: tuple(group[at] for at in plain)
    caller, label, callee = (place[column] for column in _NEEDS[EDGE])

    def regrouped(group: Group) -> Group:
        edge = edge_of(group[caller], group[label], group[callee])
        return tuple(
            edge if name == EDGE else group[at] for name, at in zip(names, plain, strict=True)
        )

    return regrouped


def edge_of(caller: object, label: object, callee: object) -> str | None:
    """`caller -> callee` for time that a call spends between the two, as far as spans tell;
    None for a span's own time."""
    if not str(label).startswith("net_"):
        return None
    return f"{caller} -> {UNKNOWN_CALLEE if callee is None else callee}"
