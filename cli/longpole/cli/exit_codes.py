"""What the exit code of every command means, and the failures that carry one."""

from __future__ import annotations

from enum import IntEnum

import click


class Exit(IntEnum):
    """The table that `longpole --help` prints."""

    DONE = 0
    BAD_NEWS = 1
    USAGE = 2
    NOT_FOUND = 3
    NO_ANSWER = 4

    @property
    def meaning(self) -> str:
        """In a reader's words."""
        return MEANINGS[self]


MEANINGS = {
    Exit.DONE: "done",
    Exit.BAD_NEWS: "the answer is bad news (a failed check, rejected records, a bug)",
    Exit.USAGE: "wrong usage or refused (an option, a query, a locked data directory)",
    Exit.NOT_FOUND: "nothing has that id",
    Exit.NO_ANSWER: "the named or locking server does not answer",
}


_BAD_NEWS = "longpole.bad_news"


def end_with_bad_news() -> None:
    """Let the command answer, and end with `Exit.BAD_NEWS` when it did."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[_BAD_NEWS] = True


def is_bad_news(context: click.Context) -> bool:
    """Whether the command that ran in this context asked for that."""
    return bool(context.meta.get(_BAD_NEWS))


class Failure(click.ClickException):
    """Base of what ends a command early; the message is one line for a person."""

    exit_code = int(Exit.USAGE)

    def format_message(self) -> str:
        """Without the control characters that quoted telemetry may bring along."""
        from longpole.cli.render.text import inert

        return inert(self.message, keep_newlines=True)


class Refused(Failure):
    """The command or the question is at fault."""


class NotFound(Failure):
    """The thing asked for is not there."""

    exit_code = int(Exit.NOT_FOUND)


class NoAnswer(Failure):
    """A server was named, or holds the data directory, and does not answer."""

    exit_code = int(Exit.NO_ANSWER)
