"""What a command may ask, whoever answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

Asked = Mapping[str, Sequence[str]]


class Source(Protocol):
    """Answers questions. `page_url` is where people can look at a trace, "" without a server."""

    def traces(self, asked: Asked) -> dict[str, Any]: ...
    def trace(self, trace_id: str, asked: Asked) -> dict[str, Any]: ...
    def critical_path(self, asked: Asked) -> dict[str, Any]: ...
    def services(self, asked: Asked) -> dict[str, Any]: ...
    def status(self) -> dict[str, Any]: ...
    def sql(self, text: str, max_rows: int, timeout_seconds: float) -> dict[str, Any]: ...
    def export(self, asked: Asked) -> AbstractContextManager[Iterator[bytes]]: ...
    def page_url(self, trace_id: str) -> str: ...


def unknown(message: str, reasons: Sequence[str]) -> str:
    """A message with its possible reasons below it."""
    return "\n".join([message, *(f"  - {reason}" for reason in reasons)])
