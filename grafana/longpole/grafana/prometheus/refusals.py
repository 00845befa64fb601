"""Why a question got no answer, in the words and statuses of Prometheus' API.

{"status":"error","errorType":"bad_data","error":"invalid parameter \"time\": …"}
"""

from __future__ import annotations

from enum import Enum

import orjson

from longpole.analyzer.promql.refusals import QueryError, TimedOut
from longpole.model.problem import LongpoleError
from longpole.storage import ports


class ErrorType(Enum):
    """The words of `errorType`, each with its HTTP status."""

    BAD_DATA = ("bad_data", 400)
    EXECUTION = ("execution", 422)
    TIMEOUT = ("timeout", 503)
    UNAVAILABLE = ("unavailable", 503)
    NOT_FOUND = ("not_found", 404)
    INTERNAL = ("internal", 500)

    @property
    def word(self) -> str:
        return self.value[0]

    @property
    def status(self) -> int:
        return self.value[1]


class BadData(LongpoleError):
    """A parameter that does not fit; the message is the whole text of the error."""


def bad_parameter(name: str, why: object) -> BadData:
    """The error of one named parameter."""
    return BadData(f'invalid parameter "{name}": {why}')


# First match counts, so subclasses stand before their bases.
_TYPES: tuple[tuple[type[Exception], ErrorType], ...] = (
    (BadData, ErrorType.BAD_DATA),
    (QueryError, ErrorType.BAD_DATA),
    (TimedOut, ErrorType.TIMEOUT),
    (ports.QueryTimedOut, ErrorType.TIMEOUT),
    (ports.Overloaded, ErrorType.UNAVAILABLE),
    (ports.StorageUnavailable, ErrorType.UNAVAILABLE),
    (LongpoleError, ErrorType.EXECUTION),
)
ANSWERED = tuple(kind for kind, _ in _TYPES)


def type_of(error: Exception) -> ErrorType:
    """What kind of error an exception is; a bug is internal."""
    for kind, found in _TYPES:
        if isinstance(error, kind):
            return found
    return ErrorType.INTERNAL


def document(kind: ErrorType, message: str) -> bytes:
    """The JSON of an error."""
    return orjson.dumps({"status": "error", "errorType": kind.word, "error": message})
