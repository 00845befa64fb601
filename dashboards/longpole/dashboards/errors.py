"""Why a question got no answer: one shape for the API, the pages and the command line.

{"error": {"code": "unknown_trace", "message": "…", "reasons": ["…"]}}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from longpole.analyzer.traceql import QuerySyntaxError
from longpole.analyzer.what_if.changes import ChangeSyntaxError
from longpole.analyzer.wording import named
from longpole.model.ids import InvalidId
from longpole.model.problem import LongpoleError
from longpole.storage import ports


class BadQuestion(LongpoleError):
    """A parameter that does not fit; the message names it."""


class TraceHasChanged(LongpoleError):
    """Rows were counted in a state of the trace that is gone: a number means another span now."""

    def __init__(self, trace_id: str, then: int, now: int) -> None:
        super().__init__(f"trace {trace_id} has {now} rows now, not {then}; load the page anew")


class UnknownTrace(LongpoleError):
    """No span with that trace id is stored."""

    def __init__(self, trace_id: str, reasons: tuple[str, ...]) -> None:
        super().__init__(f"no trace {trace_id} is stored")
        self.reasons = reasons


class UnknownSpan(LongpoleError):
    """The trace has no such span, or it has expired."""

    def __init__(self, span_id: str, trace_id: str) -> None:
        super().__init__(f"trace {trace_id[:80]} has no span {span_id}")


class UnknownService(LongpoleError):
    """No span of that service is stored for that time."""

    def __init__(self, service: str, reasons: tuple[str, ...]) -> None:
        super().__init__(f"no span of {named(service) or 'a service without a name'} is stored")
        self.reasons = reasons


class UnknownOperation(UnknownService):
    """That service is stored, but no span of that name of it for that time."""

    def __init__(self, operation: str, service: str, reasons: tuple[str, ...]) -> None:
        LongpoleError.__init__(
            self,
            f"no span {named(operation) or 'without a name'} of "
            f"{named(service) or 'a service without a name'} is stored",
        )
        self.reasons = reasons


class NothingTypical(LongpoleError):
    """A trace has no other to be compared with."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """How an exception is answered."""

    status: int
    code: str


class TooManyWatchers(LongpoleError):
    """As many readers follow the live tail as may."""


# First match counts, so subclasses stand before their bases.
REFUSALS: tuple[tuple[type[Exception], Refusal], ...] = (
    (UnknownTrace, Refusal(404, "unknown_trace")),
    (UnknownSpan, Refusal(404, "unknown_span")),
    (UnknownOperation, Refusal(404, "unknown_operation")),
    (UnknownService, Refusal(404, "unknown_service")),
    (NothingTypical, Refusal(404, "nothing_typical")),
    (TraceHasChanged, Refusal(409, "trace_has_changed")),
    (InvalidId, Refusal(400, "invalid_id")),
    (QuerySyntaxError, Refusal(400, "query_syntax")),
    (BadQuestion, Refusal(400, "bad_question")),
    (ChangeSyntaxError, Refusal(400, "change_syntax")),
    (ports.QueryRefused, Refusal(400, "query_refused")),
    (ports.QueryTimedOut, Refusal(504, "timed_out")),
    (ports.Unsupported, Refusal(501, "unsupported")),
    (TooManyWatchers, Refusal(503, "too_many_watchers")),
    (ports.Overloaded, Refusal(503, "overloaded")),
    (ports.StorageUnavailable, Refusal(503, "unavailable")),
    (LongpoleError, Refusal(400, "refused")),
)
ANSWERED = tuple(kind for kind, _ in REFUSALS)


def refusal_of(error: Exception) -> Refusal:
    """The row of the table for an exception; 500 for one that is a bug."""
    for kind, refusal in REFUSALS:
        if isinstance(error, kind):
            return refusal
    return Refusal(500, "bug")


def shown_status(error: Exception) -> int:
    """The status of a page that tells of a refusal beside its own form. A query that does not
    parse is still being typed: its page is the one on which it is mended, and no failure. Raises
    the error again where no form can help."""
    status = refusal_of(error).status
    if status >= 500:
        raise error
    return 200 if isinstance(error, QuerySyntaxError) else status


def document(code: str, message: str, reasons: tuple[str, ...] = ()) -> dict[str, Any]:
    """The JSON of a refusal."""
    error: dict[str, Any] = {"code": code, "message": message}
    if reasons:
        error["reasons"] = list(reasons)
    return {"error": error}
