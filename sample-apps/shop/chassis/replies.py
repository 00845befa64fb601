"""Replies: the body of a dependency's answer, read as what its contract promises."""

from __future__ import annotations

from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from shop.chassis.errors import DependencyError

T = TypeVar("T")


def read_reply(response: httpx.Response, kind: type[T], dependency: str) -> T:
    """The body as a `kind`: a model or a list of them. Raises `DependencyError` when the body is
    something else: it is the dependency that broke its word, not the caller."""
    adapter: TypeAdapter[Any] = _adapter(kind)
    try:
        reply: T = adapter.validate_json(response.content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise DependencyError(
            dependency, f"the answer of {dependency} can't be read: {where}: {first['msg']}"
        ) from error
    return reply


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    # Making one takes longer than reading a reply with it.
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
