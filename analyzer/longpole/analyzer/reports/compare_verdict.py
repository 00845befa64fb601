"""A comparison in one sentence: what changed, by how much, and where."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from longpole.analyzer.compare.columns import Scope
from longpole.analyzer.compare.noise import Change, Changes
from longpole.analyzer.compare.sample import Operation
from longpole.analyzer.compare.terms import Term, TermKind
from longpole.analyzer.wording import duration_text, named, share_text

WORDS = {
    TermKind.LONGER: "longer calls",
    TermKind.CALLS: "more calls",
    TermKind.NEW: "new calls",
    TermKind.GONE: "calls that are gone",
    TermKind.PARALLELISM: "lost parallelism",
    TermKind.BETWEEN: "time between its calls",
    TermKind.NETWORK: "time on the network",
    TermKind.BACKOFF: "backoff between attempts",
    TermKind.QUEUE: "time in queues",
    TermKind.MIX: "other traffic",
}
_FEWER = {
    TermKind.LONGER: "shorter calls",
    TermKind.CALLS: "fewer calls",
    TermKind.PARALLELISM: "more parallelism",
    TermKind.BETWEEN: "less time between its calls",
    TermKind.NETWORK: "less time on the network",
    TermKind.BACKOFF: "less backoff between attempts",
    TermKind.QUEUE: "less time in queues",
}
# An operation that moved so much of the change is told even if chance may have moved it.
_GREAT_SHARE = 0.5
# A change so many times what is sure, and against it, is told first.
_OUTWEIGHS = 2
# From here on it is fair to say that much would have been seen.
_USEFUL_SHARE = 0.25


def kind_in_words(kind: TermKind, is_more: bool) -> str:
    """`longer calls`, or `shorter calls` when the term is negative."""
    return WORDS[kind] if is_more else _FEWER.get(kind, WORDS[kind])


def verdict_line(
    found: Changes,
    terms: Sequence[Term],
    means_ns: tuple[int, int],
    error_shares: tuple[float, float],
    counts: tuple[int, int],
    what: str,
) -> str:
    """One line. `means_ns` are those of the statistic that is called `what`, and `terms` split
    their difference, so that the sizes told are those of the table that shows the terms."""
    moved = _moved(means_ns, what)
    if not all(counts):
        side = "base has no" if counts[1] else "head has no" if counts[0] else "neither side has"
        return f"Nothing to compare: {side} traces."
    if not found.is_enough:
        return (
            f"Too few traces to tell a change from chance ({counts[0]} and {counts[1]}); {moved}."
        )
    guilty = guilty_changes(found)
    if guilty:
        difference_ns = means_ns[1] - means_ns[0]
        if not _is_against(guilty[0], difference_ns):
            return _of_operation(guilty, terms, difference_ns, moved)
        with_it = [change for change in guilty if not _is_against(change, difference_ns)]
        if abs(difference_ns) < _OUTWEIGHS * _size(guilty[0]):
            # Else "slower" and a mean that fell would seem to contradict each other.
            moved = f"other parts or other traffic outweigh it: {moved}"
            return _of_operation(guilty, terms, difference_ns, moved)
        if with_it:
            return _of_operation(with_it, terms, difference_ns, moved)
        word = "Slower" if difference_ns > 0 else "Faster"
        rest = _uncertain_rest(guilty, terms, difference_ns) or ", which chance alone may have made"
        sure = _of_operation(guilty, terms, difference_ns, "")
        return f"{word} on the whole, {moved}{rest}. Beyond chance is only the opposite. {sure}"
    scopes = {change.scope: change for change in found.real}
    if Scope.DURATION in scopes:
        change = scopes[Scope.DURATION]
        size = duration_text(round(abs(change.typical)))
        word = "Slower" if change.is_worse else "Faster"
        return f"{word}: typically by {size}, in no single operation; {moved}."
    if Scope.TAIL in scopes:
        if scopes[Scope.TAIL].is_worse:
            return f"Slower in the tail: more traces are among the slowest of their kind; {moved}."
        return f"Faster in the tail: fewer traces are among the slowest of their kind; {moved}."
    if Scope.ERRORS in scopes:
        word = "More" if scopes[Scope.ERRORS].is_worse else "Fewer"
        return f"{word} traces have failed spans: {_errors(error_shares)}; as fast as before."
    if Scope.MIX in scopes:
        return f"As fast as before, but other traffic: {moved}."
    seen = "with so few traces, only a very large change would have been seen"
    if found.detectable_share is not None and found.detectable_share <= _USEFUL_SHARE:
        percent = found.detectable_share * 100
        seen = f"a change of all durations by {percent:.2g} % would have been seen"
        before, difference_ns = means_ns[0], means_ns[1] - means_ns[0]
        if abs(difference_ns) > max(found.detectable_share, _USEFUL_SHARE) * before:
            # Had all of them moved so far, it would have been seen.
            rest = _uncertain_rest([], terms, difference_ns)
            return f"No difference beyond chance: {moved}, which few traces make{rest}; {seen}."
    return f"No difference: what moved is noise ({moved}; {seen})."


def guilty_changes(found: Changes) -> list[Change]:
    """The operations that changed, one entry each, largest effect on the mean trace first."""
    best: dict[Operation, Change] = {}
    for change in found.real:
        if change.scope is not Scope.OPERATION or change.operation is None:
            continue
        known = best.get(change.operation)
        if known is None or _rank(change) < _rank(known):
            best[change.operation] = change
    return sorted(best.values(), key=lambda change: (-_size(change), change.operation))


def _rank(change: Change) -> tuple[float, float]:
    return change.p_value, -abs(change.z)


def _is_against(change: Change, difference_ns: int) -> bool:
    return difference_ns * (1 if change.is_worse else -1) < 0


def _size(change: Change) -> float:
    """In nanoseconds; both means count, for either may miss what happened."""
    return max(abs(change.effect), abs(change.typical))


def _of_operation(
    guilty: list[Change], terms: Sequence[Term], difference_ns: int, moved: str
) -> str:
    change = guilty[0]
    assert change.operation is not None
    sign = 1 if change.is_worse else -1
    own = [t for t in terms if t.operation == change.operation and t.kind is not TermKind.MIX]
    main = max(own, key=lambda t: sign * t.difference_ns, default=None)
    amount = Fraction(0) if main is None else sign * main.difference_ns
    lost = [
        sign * t.difference_ns
        for t in terms
        if t.kind is TermKind.PARALLELISM and sign * t.difference_ns > 0
    ]
    in_parallel = sum(lost, Fraction(0))
    word = "Slower" if change.is_worse else "Faster"
    if len(lost) > 1 and in_parallel > 2 * max(amount, Fraction(0)):
        words = kind_in_words(TermKind.PARALLELISM, sign > 0)
        size = duration_text(round(in_parallel))
        return f"{word}: {words} of {len(lost)} operations, {size} of the mean trace{_end(moved)}"
    service, operation = change.operation
    if main is not None and amount > 0:
        size, why = _in_terms(own, main, sign, difference_ns)
    else:
        # The statistic's traces do not show it; the test, which is about all traces, does.
        size, why = duration_text(round(_size(change))), ""
    held = "more" if sign > 0 else "less"
    kind = "" if change.root is None else f" in {named(change.root[1])}"
    also = [c for c in guilty[1:] if c.is_worse == change.is_worse]
    more = f", and {len(also)} more" if also else ""
    where = f"{named(service)} › {named(operation)}"
    great = _uncertain_rest(guilty, terms, difference_ns) if sign * difference_ns > 0 else ""
    return f"{word}: {where} takes {size} {held}{kind}{why}{more}{great}{_end(moved)}"


def _end(moved: str) -> str:
    return f"; {moved}." if moved else "."


def _uncertain_rest(guilty: list[Change], terms: Sequence[Term], difference_ns: int) -> str:
    """The operation that makes most of the change without being sure, as a few very slow calls
    do: else the sentence would name a trifle and leave out what the table begins with."""
    sure = {change.operation for change in guilty}
    held: dict[Operation, Fraction] = {}
    for term in terms:
        if term.operation not in sure and term.kind is not TermKind.MIX:
            held[term.operation] = held.get(term.operation, Fraction(0)) + term.difference_ns
    shares = {operation: float(ns / difference_ns) for operation, ns in held.items()}
    (service, name), share = max(shares.items(), key=lambda row: row[1], default=(("", ""), 0.0))
    if share < _GREAT_SHARE:
        return ""
    much = "more than the whole" if share > 1.005 else share_text(share)
    where = f"{named(service)} › {named(name)}"
    return f"; {much} of the change is {where}, which chance alone may have moved"


def _in_terms(own: Sequence[Term], main: Term, sign: int, difference_ns: int) -> tuple[str, str]:
    """How much the operation's terms make together, and in parentheses which of them most and
    what part of the whole change that is. `main` alone counts where others outweigh it."""
    amount = sign * main.difference_ns
    total = sum((sign * term.difference_ns for term in own), Fraction(0))
    if total <= 0:
        total = amount
    size, largest = duration_text(round(total)), duration_text(round(amount))
    words = kind_in_words(main.kind, sign > 0)
    facts = [words if largest == size else f"{words}: {largest}"]
    if sign * difference_ns > 0:
        share = float(total / abs(difference_ns))
        whole = "more than the whole change"  # others went the other way
        facts.append(whole if share > 1.005 else f"{share_text(share)} of the change")
    return size, f" ({'; '.join(facts)})"


def _moved(means_ns: tuple[int, int], what: str) -> str:
    before, after = means_ns
    share = f" ({(after - before) / before * 100:+.1f} %)".replace("-", "−") if before else ""
    return f"{what} {duration_text(before)} → {duration_text(after)}{share}"


def _errors(shares: tuple[float, float]) -> str:
    return f"{shares[0] * 100:.1f} % → {shares[1] * 100:.1f} %"
