"""Answers the blocking questions of one dialect in threads, a few at once; some others wait.

Everything that goes wrong becomes an answer in the form of the dialect: what is refused, what a
bug stopped (its traceback goes to the log), and that there was no turn.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from loguru import logger
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from longpole.grafana.presence import Gone, while_present
from longpole.grafana.turns import MOST_WAITING, NoTurn, Turns
from longpole.model.ids import InvalidId
from longpole.model.problem import LongpoleError
from longpole.storage import ports

AT_ONCE = 4
WAIT_SECONDS = 10.0
RETRY_AFTER = {"Retry-After": "1"}
# First match counts, so subclasses stand before their bases.
STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (ports.QueryTimedOut, 504),
    (ports.StorageUnavailable, 503),
    (ports.Overloaded, 503),
    (ports.Unsupported, 501),
    (InvalidId, 400),
    (LongpoleError, 400),
)
_BUG = "the server failed on this question; its log says why"

# Status, message and headers to an answer in the words of a dialect.
Say = Callable[[int, str, Mapping[str, str]], Response]
Endpoint = Callable[[Request], Response]


def said_plainly(status: int, message: str, headers: Mapping[str, str]) -> Response:
    """Plain text, as Tempo, Loki and Zipkin have it."""
    return PlainTextResponse(message, status, dict(headers))


def http_error(request: Request, error: Exception) -> Response:
    """What no route is for, in plain text."""
    assert isinstance(error, HTTPException)
    return said_plainly(error.status_code, str(error.detail), {})


class Threads:
    """The threads of one dialect. `statuses` are the dialect's own, looked at first."""

    def __init__(
        self,
        say: Say = said_plainly,
        statuses: Sequence[tuple[type[Exception], int]] = (),
        at_once: int = AT_ONCE,
        most_waiting: int = MOST_WAITING,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._say, self._statuses = say, (*statuses, *STATUSES)
        self._turns, self._wait_seconds = Turns(at_once, most_waiting), wait_seconds

    def run(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        """The same endpoint, in one of these threads, with every exception as an answer. Who has
        to wait too long is answered 503, who comes when too many wait 429."""

        async def run(request: Request) -> Response:
            async def work() -> Response:
                try:
                    answering = partial(self._answered, endpoint, request)
                    return await self._turns.run(answering, self._wait_seconds)
                except NoTurn as error:
                    status = 429 if error.is_crowded else 503
                    return self._say(status, str(error), RETRY_AFTER)

            return await while_present(request, work)

        return run

    def _answered(self, endpoint: Endpoint, request: Request) -> Response:
        try:
            return endpoint(request)
        except Gone:
            raise
        except Exception as error:
            for kind, status in self._statuses:
                if isinstance(error, kind):
                    headers = RETRY_AFTER if status == 503 else {}
                    return self._say(status, str(error), headers)
            logger.opt(exception=error).error("a question failed: {}", request.scope["path"])
            return self._say(500, _BUG, {})
