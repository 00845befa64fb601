"""Undoing: which call takes back what another one did, by the words of their names.

`POST /reservations` is undone by `DELETE /reservations/{id}`, `reserveStock` by `releaseStock`,
`Payments/Charge` by `Payments/Refund`, and anything by `cancel …`, `undo …` or `compensate …` of
the same thing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_PAIRS = """
    reserve: release cancel unreserve free return
    book: cancel unbook release
    charge: refund void reverse
    pay: refund reverse
    capture: refund void
    authorize: void release reverse
    authorise: void release reverse
    debit: credit refund
    withdraw: deposit refund
    transfer: return reverse
    hold: release unhold
    allocate: deallocate release free
    create: cancel delete remove
    place: cancel
    submit: cancel withdraw
    confirm: cancel
    ship: recall cancel
    schedule: cancel unschedule
    add: remove
    insert: delete
    register: unregister deregister
    enroll: unenroll
    subscribe: unsubscribe
    assign: unassign
    activate: deactivate
    grant: revoke
    issue: revoke cancel
    lock: unlock
    decrease: increase
    decrement: increment
    deduct: restore refund return
    post: delete cancel refund release void
    put: delete
"""
_OPPOSITES: dict[str, frozenset[str]] = {}
for _line in _PAIRS.strip().splitlines():
    _verb, _, _undoing = _line.strip().partition(":")
    _OPPOSITES[_verb] = frozenset(_undoing.split())
# These take back whatever they name.
_ALWAYS = frozenset(
    ["cancel", "compensate", "compensation", "revert", "reverse", "rollback", "undo", "void"]
)
_UNDO_WORDS = _ALWAYS.union(*_OPPOSITES.values())
# What leaves something behind that has to be undone when the rest fails, whoever else is asked.
_BINDING = frozenset(
    """
    allocate authorise authorize book capture charge debit deduct hold pay reserve withdraw
    """.split()  # noqa: SIM905 - read as words
)
_NOUNS = {"payment": "pay", "payments": "pay", "reservation": "reserve", "booking": "book"}
_NOUNS |= {"refunds": "refund", "charges": "charge", "cancellation": "cancel"}
_NOUNS |= {"reservations": "reserve", "bookings": "book", "cancellations": "cancel"}
_NOUNS |= {"shipment": "ship", "shipments": "ship", "compensating": "compensate"}
_NOUNS |= {"authorizations": "authorize", "authorization": "authorize", "refunding": "refund"}
# Words that say nothing about what is done.
_EMPTY = frozenset(
    """
    saga step steps action transaction tx compensation compensate do run execute perform handle
    invoke call process the a an for of to by id v1 v2 v3 api http https grpc rpc service svc
    internal async request command event message send publish
    """.split()  # noqa: SIM905 - read as words
)
_METHODS = frozenset(["delete", "patch", "post", "put"])
_TOO_COMMON = frozenset(["add", "create", "post", "put"])
_READS = frozenset(
    """
    calculate check fetch find get head list load lookup options query quote read search select
    validate verify
    """.split()  # noqa: SIM905 - read as words
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_LETTERS = re.compile(r"[^A-Za-z0-9]+")
_HOLE = re.compile(r"\{[^}]*\}|<[^>]*>|:\w+")
_LONGEST_NAME = 300


@dataclass(frozen=True, slots=True)
class Deed:
    """What a name says is done: its words in their basic form. `is_undoing` when one of them can
    take something back, `is_reading` when it changes nothing, `is_binding` when it should not
    stand if the rest fails."""

    words: tuple[str, ...]
    is_undoing: bool
    is_reading: bool
    is_binding: bool


@lru_cache(maxsize=4096)
def deed_of(name: str) -> Deed:
    """What the name of a span says is done."""
    plain = _CAMEL.sub(" ", _HOLE.sub(" ", name[:_LONGEST_NAME]))
    raw = [word.lower() for word in _NO_LETTERS.sub(" ", plain).split()]
    words = tuple(dict.fromkeys(_NOUNS.get(word, word) for word in raw))
    telling = [word for word in words if word not in _EMPTY]
    # `Inventory/GetStock`: the method stands behind the service.
    method = _NO_LETTERS.sub(" ", plain.rpartition("/")[2]).split()
    first = {*telling[:1], *(word.lower() for word in method[:1])}
    return Deed(
        words=words,
        is_undoing=not _UNDO_WORDS.isdisjoint(words),
        is_reading=not _READS.isdisjoint(first) and _METHODS.isdisjoint(words[:1]),
        is_binding=not _BINDING.isdisjoint(words),
    )


@lru_cache(maxsize=16_384)
def undoes(later: str, earlier: str, same_peer: bool) -> bool:
    """Whether a call named `later` takes back one named `earlier`. `same_peer`: both go to the
    same callee, which makes up for names that share no word."""
    undo, done = deed_of(later), deed_of(earlier)
    if later == earlier or not undo.is_undoing or done.is_reading:
        return False
    # Words for what it is done to; an undoing may name the deed too: `cancel reserve`.
    things = set(done.words) - _EMPTY
    named = set(undo.words) - _EMPTY
    shared = (things & named) - _METHODS
    for word in done.words:
        taken_back = (_OPPOSITES.get(word, frozenset()) & named) - things
        is_telling = word not in _TOO_COMMON and not taken_back <= _ALWAYS
        if taken_back and (shared or same_peer or is_telling):
            return True
    if _ALWAYS.isdisjoint(undo.words) or not _ALWAYS.isdisjoint(things):
        return False
    return bool(shared) or (same_peer and not (named - _ALWAYS))
