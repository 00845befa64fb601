"""Changes of a contract: which differences between two OpenAPI documents break somebody's client.

A client keeps working when it finds every route and every field it reads, and when what it sends is
still enough. So routes, answers and fields of answers may be added, and so may what a client can
send but need not. Everything else belongs under a new version of the route.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]

_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


def breaking_changes(old: Document, new: Document) -> list[str]:
    """In words, what breaks clients of `old` when `new` takes its place; empty when nothing."""
    return list(dict.fromkeys(_routes(old, new)))


def _routes(old: Document, new: Document) -> Iterator[str]:
    for path, routes in old.get("paths", {}).items():
        for method in METHODS:
            if method not in routes:
                continue
            where = f"{method.upper()} {path}"
            now = new.get("paths", {}).get(path, {}).get(method)
            if now is None:
                yield f"{where} is gone"
                continue
            yield from _parameters(where, routes[method], now, old, new)
            yield from _bodies(where, routes[method], now, old, new)
            yield from _answers(where, routes[method], now, old, new)


def _parameters(
    where: str, before: Document, after: Document, old: Document, new: Document
) -> Iterator[str]:
    was, now = _by_place(before), _by_place(after)
    for place, parameter in now.items():
        if parameter.get("required") and not was.get(place, {}).get("required"):
            yield f"{where} now needs the {place[0]} parameter {place[1]}"
    for place, parameter in was.items():
        if place not in now:
            yield f"{where} no longer takes the {place[0]} parameter {place[1]}"
            continue
        name = f"{where}: {place[0]} parameter {place[1]}"
        yield from _sent(name, parameter["schema"], now[place]["schema"], old, new)


def _by_place(route: Document) -> dict[tuple[str, str], Document]:
    return {(each["in"], each["name"]): each for each in route.get("parameters", [])}


def _bodies(
    where: str, before: Document, after: Document, old: Document, new: Document
) -> Iterator[str]:
    was, now = _json(before.get("requestBody")), _json(after.get("requestBody"))
    if now is not None and was is None and after["requestBody"].get("required"):
        yield f"{where} now needs a body"
    if was is not None and now is None:
        yield f"{where} no longer takes a body"
    if was is not None and now is not None:
        yield from _sent(f"{where}: body", was, now, old, new)


def _answers(
    where: str, before: Document, after: Document, old: Document, new: Document
) -> Iterator[str]:
    for status, answer in before.get("responses", {}).items():
        if status not in after.get("responses", {}):
            yield f"{where} no longer answers with {status}"
            continue
        was, now = _json(answer), _json(after["responses"][status])
        if was is not None and now is None:
            yield f"{where}: the answer {status} has no body any more"
        if was is not None and now is not None:
            yield from _read(f"{where}: answer {status}", was, now, old, new)


def _json(body: Document | None) -> Document | None:
    schema: Document | None = (
        (body or {}).get("content", {}).get("application/json", {}).get("schema")
    )
    return schema


def _sent(where: str, was: Document, now: Document, old: Document, new: Document) -> Iterator[str]:
    """What a client sends: it must stay enough, and every field of it welcome."""
    was, now = _resolve(was, old), _resolve(now, new)
    yield from _types(where, was, now)
    for name in now.get("required", []):
        if name not in was.get("required", []):
            yield f"{where} now needs {name}"
    for name, field in was.get("properties", {}).items():
        if name not in now.get("properties", {}):
            yield f"{where} no longer takes {name}"
        else:
            yield from _sent(f"{where}.{name}", field, now["properties"][name], old, new)
    for limit in (*_LEAST, *_MOST):
        before, after = was.get(limit), now.get(limit)
        if after is None:
            continue
        if before is None or (after > before if limit in _LEAST else after < before):
            yield f"{where}: {limit} is {after}, and was {'open' if before is None else before}"
    if "items" in was and "items" in now:
        yield from _sent(f"{where}[]", was["items"], now["items"], old, new)


def _read(where: str, was: Document, now: Document, old: Document, new: Document) -> Iterator[str]:
    """What a client reads: it must still find every field."""
    was, now = _resolve(was, old), _resolve(now, new)
    yield from _types(where, was, now)
    for name, field in was.get("properties", {}).items():
        if name not in now.get("properties", {}):
            yield f"{where} lost {name}"
            continue
        if name in was.get("required", []) and name not in now.get("required", []):
            yield f"{where} has {name} no longer always"
        yield from _read(f"{where}.{name}", field, now["properties"][name], old, new)
    if "items" in was and "items" in now:
        yield from _read(f"{where}[]", was["items"], now["items"], old, new)


def _types(where: str, was: Document, now: Document) -> Iterator[str]:
    before, after = _type(was), _type(now)
    if before != after:
        yield f"{where} is {after or 'anything'}, and was {before or 'anything'}"


def _type(schema: Document) -> str:
    if "anyOf" in schema:
        return " or ".join(sorted(_type(each) for each in schema["anyOf"]))
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[-1])
    return str(schema.get("type", ""))


def _resolve(schema: Document, document: Document) -> Document:
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].rsplit("/", 1)[-1]
    found: Document = document["components"]["schemas"][name]
    return found
