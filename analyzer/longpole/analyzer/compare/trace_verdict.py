"""How one trace differs from another, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from longpole.analyzer.compare.sample import Operation
from longpole.analyzer.compare.terms import SideTotals, Term, TermKind
from longpole.analyzer.wording import duration_text, named

# Below this part of the longer one, two traces take as long as each other.
SAME_SHARE = 50  # one in so many
# A term of this part of the longer one is worth telling, even where others make up for it.
TOLD_SHARE = 10
_MORE = {
    TermKind.BETWEEN: "{} spends {} between its calls instead of {}",
    TermKind.NETWORK: "calls by {} spend {} on the network instead of {}",
    TermKind.BACKOFF: "{} pauses {} before it tries again instead of {}",
    TermKind.QUEUE: "{} waits {} in queues instead of {}",
}
_PART = {TermKind.BETWEEN: 1, TermKind.NETWORK: 2, TermKind.BACKOFF: 3, TermKind.QUEUE: 4}


def verdict_of_two(
    terms: Sequence[Term],
    totals: tuple[SideTotals, SideTotals],
    places: Mapping[Operation, int],
    durations_ns: tuple[int, int],
    names: tuple[str, str],
) -> str:
    """`B is 1.4 s slower than A: 48 × SELECT order_lines instead of 1.`

    `terms` split the difference of `durations_ns` (base, head), all traces of a side being of
    one kind in `totals`, where `places` numbers the operations. `names` are those of the sides.
    """
    base, head = names[0], names[1][:1].upper() + names[1][1:]
    difference = durations_ns[1] - durations_ns[0]
    longer = max(durations_ns)
    told = _Told(totals, places, names)
    if abs(difference) * SAME_SHARE < longer or not longer:
        large = [t for t in terms if abs(t.difference_ns) * TOLD_SHARE >= longer]
        more = [told.words(term) for term in large[:2]]
        return f"{head} takes as long as {base}" + (f", but: {'; '.join(more)}." if more else ".")
    sign = 1 if difference > 0 else -1
    moved = f"{head} is {duration_text(abs(difference))} {'slower' if sign > 0 else 'faster'}"
    ranked = sorted(
        (t for t in terms if sign * t.difference_ns > 0), key=lambda t: -abs(t.difference_ns)
    )
    if not ranked:
        return f"{moved} than {base}."
    lost = [t for t in ranked if t.kind is TermKind.PARALLELISM]
    if len(lost) > 1 and sum(abs(t.difference_ns) for t in lost) > 2 * abs(ranked[0].difference_ns):
        word = "fewer" if sign > 0 else "more"
        return f"{moved} than {base}: {word} of its calls run beside each other."
    # A second cause is worth a clause when it makes a quarter of the difference.
    chosen = [ranked[0], *(t for t in ranked[1:2] if abs(t.difference_ns) * 4 >= abs(difference))]
    return f"{moved} than {base}: {'; '.join(told.words(term) for term in chosen)}."


class _Told:
    """Finds the figures behind a term and puts them into words."""

    def __init__(
        self,
        totals: tuple[SideTotals, SideTotals],
        places: Mapping[Operation, int],
        names: tuple[str, str],
    ) -> None:
        self._totals, self._places, self._names = totals, places, names

    def words(self, term: Term) -> str:
        service, operation = term.operation
        name = named(operation) or "a call without a name"
        where = f"{named(service)} › {name}" if service else name
        calls = [self._calls(side, term.operation) for side in (0, 1)]
        amount = duration_text(round(abs(term.difference_ns)))
        kind = term.kind
        if kind is TermKind.CALLS:
            return f"{count_text(calls[1])} × {where} instead of {count_text(calls[0])}"
        if kind in (TermKind.NEW, TermKind.GONE):
            has = 1 if kind is TermKind.NEW else 0
            times = "" if calls[has] == 1 else f"{count_text(calls[has])} × "
            side = self._names[has]
            return f"{times}{where}, only in {side} ({amount})"
        if kind is TermKind.LONGER:
            each = [self._each(side, term.operation, 0) for side in (0, 1)]
            many = " each" if max(calls) > 1 else ""
            return f"{where} takes {each[1]}{many} instead of {each[0]}"
        if kind in _PART:
            each = [self._each(side, term.operation, _PART[kind]) for side in (0, 1)]
            return _MORE[kind].format(where, each[1], each[0])
        if kind is TermKind.PARALLELISM:
            beside = "less" if term.difference_ns > 0 else "more"
            return f"{beside} of {where} runs beside other work ({amount})"
        return f"{where} ({amount})"

    def _calls(self, side: int, operation: Operation) -> Fraction:
        sums = self._totals[side]
        found = [of.get(self._places[operation]) for of in sums.operations.values()]
        count = sum(sums.traces.values())
        return Fraction(sum(one.calls for one in found if one), count) if count else Fraction(0)

    def _each(self, side: int, operation: Operation, part: int) -> str:
        """Own time of a call in that part; calls of one operation differ, so it is a mean."""
        sums = self._totals[side].operations.values()
        found = [one for one in (of.get(self._places[operation]) for of in sums) if one]
        calls = sum(one.calls for one in found)
        own = sum(one.own[part] for one in found)
        return duration_text(round(Fraction(own, calls))) if calls else "0 ns"


def count_text(count: Fraction) -> str:
    """`48`, or `1.2` for a mean of several traces."""
    return (
        f"{int(count):,}"
        if count.denominator == 1
        else f"{float(count):.2g}"
        if count < 10
        else f"{float(count):,.0f}"
    )
