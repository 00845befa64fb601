"""Problems in the contract: the OpenAPI document says that errors are RFC 9457 documents.

FastAPI would claim that a request which fails validation is answered with a form of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

PROBLEM = {
    "title": "Problem",
    "description": "An RFC 9457 problem document.",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "retryable"],
    "properties": {
        "type": {"type": "string", "description": "urn:shop:problem:<code>"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "a stable word for machines"},
        "detail": {"type": "string"},
        "retryable": {"type": "boolean", "description": "whether trying again may help"},
        "dependency": {"type": "string", "description": "the service that did not do its part"},
        "retry_after_seconds": {"type": "number"},
        "errors": {
            "type": "array",
            "description": "what is wrong with which field of the request",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}

_METHODS = frozenset({"get", "put", "post", "delete", "patch", "head", "options"})


def say_problems(app: FastAPI, media_type: str) -> None:
    """From here on, the app's document says that its errors are problems."""
    make: Callable[[], dict[str, Any]] = app.openapi

    def with_problems() -> dict[str, Any]:
        document = make()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas["Problem"] = PROBLEM
        content = {media_type: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for routes in document.get("paths", {}).values():
            for method in _METHODS & set(routes):
                answers = routes[method]["responses"]
                answers.setdefault("default", {"description": "What went wrong."})
                for status, answer in answers.items():
                    if status == "default" or status.startswith(("4", "5")):
                        answer["content"] = content
                if "422" in answers:
                    answers["422"]["description"] = "The request does not have the form it needs."
        return document

    app.openapi = with_problems  # type: ignore[method-assign]
