"""The search page: traces that match a question, newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from longpole.dashboards import errors
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked
from longpole.dashboards.pages.rendering import page


def routes(answers: Answers) -> APIRouter:
    """Routes of this page."""
    router = APIRouter()

    @router.get("/")
    def start() -> Response:
        return RedirectResponse("/traces", status_code=302)

    @router.get("/traces")
    def traces(request: Request) -> Response:
        return page(request, "traces.html", place="traces", **_found(answers, asked(request)))

    return router


def _found(answers: Answers, given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The list, or the form with what was wrong about the question."""
    values = {name: list(texts) for name, texts in given.items() if any(texts)}
    found: dict[str, Any] = {"q": "".join(given.get("q", [])[:1]), "refusal": "", "report": None}
    identity = found["q"].strip()
    if len(identity) in (16, 32) and identity.isalnum():
        # A pasted id is a question for that trace.
        values = {**{k: v for k, v in values.items() if k != "q"}, "trace": [identity]}
    try:
        found["report"] = answers.traces({"limit": ["50"], **values})
    except errors.ANSWERED as error:
        if errors.refusal_of(error).status >= 500:
            raise
        found["refusal"] = str(error)
    return found
