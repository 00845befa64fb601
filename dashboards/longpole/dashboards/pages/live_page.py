"""The live tail: traces as they appear; without scripts the newest, and a link to refresh."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from longpole.dashboards import errors
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked
from longpole.dashboards.mended_address import mended_address
from longpole.dashboards.mini_ribbon import SLOTS
from longpole.dashboards.pages.rendering import page
from longpole.dashboards.pages.search_page import refusal_of_query, search_rows
from longpole.dashboards.search_parameters import address

SHOWN = 50
SINCE = "10m"


def routes(answers: Answers) -> APIRouter:
    """Routes of this page."""
    router = APIRouter()

    @router.get("/live")
    def live(request: Request) -> Response:
        given = asked(request)
        text = "".join(given.get("q", [])[:1])
        values: dict[str, Any] = {"q": text, "refusal": None, "rows": [], "slots": SLOTS}
        status = 200
        try:
            report = answers.search({**given, "since": [SINCE], "per_page": [str(SHOWN)]})
        except errors.ANSWERED as error:
            status = errors.shown_status(error)
            mended = mended_address("/live", request.query_params.multi_items(), str(error))
            values["refusal"] = {**refusal_of_query(error, text, "/live"), "mended": mended}
        else:
            search = {"q": [text], "since": [SINCE]}
            values["rows"] = search_rows(report["traces"], search, answers.clock.now_unix_nano())
        values["events"] = address("/api/v1/live", given, {"q"})
        values["as_search"] = address("/traces", given, {"q"})
        return page(request, "live.html", status, place="live", **values)

    return router
