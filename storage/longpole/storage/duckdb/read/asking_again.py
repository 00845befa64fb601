"""Questions that find a damaged file are asked again once it is repaired."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from longpole.storage.receipt import StorageError

T = TypeVar("T")


class Answer(Protocol):
    """Asks a question; may repair what it fails for, and ask it again."""

    def __call__(self, question: Callable[[], T], /) -> T: ...


def answer_once(question: Callable[[], T], /) -> T:
    """For a reader of what nobody repairs."""
    return question()


def asking_again(reader: type[T]) -> type[T]:
    """Let every public method of a reader ask through its attribute `answer`."""
    for name, method in list(vars(reader).items()):
        if not name.startswith("_") and inspect.isfunction(method):
            setattr(reader, name, _streaming(method) if _is_stream(method) else _asking(method))
    return reader


def _is_stream(method: Callable[..., Any]) -> bool:
    return inspect.isgeneratorfunction(method)


def _asking(method: Callable[..., T]) -> Callable[..., T]:
    @functools.wraps(method)
    def asked(self: Any, *arguments: Any, **named: Any) -> T:
        answer: Answer = self.answer
        return answer(lambda: method(self, *arguments, **named))

    return asked


def _streaming(method: Callable[..., Iterator[T]]) -> Callable[..., Iterator[T]]:
    """An answer in pieces can begin again until its first piece is out; what fails later is
    repaired for the next one who asks."""

    @functools.wraps(method)
    def asked(self: Any, *arguments: Any, **named: Any) -> Iterator[T]:
        answer: Answer = self.answer

        def begun() -> tuple[Iterator[T], list[T]]:
            pieces = method(self, *arguments, **named)
            return pieces, list(itertools.islice(pieces, 1))

        pieces, first = answer(begun)
        yield from first
        try:
            yield from pieces
        except Exception as error:
            answer(functools.partial(_raise_first, [error]))
            raise StorageError(
                "a damaged file was repaired in the middle of the answer: ask again"
            ) from error

    return asked


def _raise_first(errors: list[Exception]) -> None:
    if errors:
        raise errors.pop()
