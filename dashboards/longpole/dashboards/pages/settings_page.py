"""The settings page: what a reader chooses for their own browser, kept in cookies.

It is the only page that changes anything, and only in the browser that asks; the guard refuses
the request of another site.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from longpole.dashboards.answers import Answers
from longpole.dashboards.pages.rendering import (
    KEYS_COOKIE,
    THEME_COOKIE,
    THEMES,
    ZONE_COOKIE,
    page,
)

_YEAR_SECONDS = 31_536_000
_MOST_BYTES = 4_096
# Cookie, the field of the form, and the values that it may have; the first one is the default
# and needs no cookie.
CHOICES = (
    (THEME_COOKIE, "theme", ("system", *THEMES)),
    (KEYS_COOKIE, "keys", ("on", "off")),
    (ZONE_COOKIE, "zone", ("utc", "local")),
)


def routes(_: Answers) -> APIRouter:
    """Routes of this page."""
    router = APIRouter()

    @router.get("/settings")
    def settings(request: Request) -> Response:
        chosen = {}
        for cookie, field, values in CHOICES:
            value = request.cookies.get(cookie, "")
            chosen[field] = value if value in values else values[0]
        is_saved = "saved" in request.query_params
        return page(request, "settings.html", chosen=chosen, is_saved=is_saved)

    @router.post("/settings")
    async def keep(request: Request) -> Response:
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _MOST_BYTES:
                return Response("this form is short", status_code=413)
        given = parse_qs(body.decode("utf-8", "replace"), max_num_fields=20)
        answer = RedirectResponse("/settings?saved=1", status_code=303)
        for cookie, field, values in CHOICES:
            value = given.get(field, [""])[0]
            if value == values[0]:
                answer.delete_cookie(cookie, path="/", samesite="lax")
            elif value in values:
                answer.set_cookie(cookie, value, max_age=_YEAR_SECONDS, path="/", samesite="lax")
        return answer

    return router
