"""The pages: HTML from the same documents that the API gives, one module for each page.

Scripts make them quicker to work with; none is needed to read them.
"""

from __future__ import annotations

from fastapi import APIRouter

from longpole.dashboards.answers import Answers
from longpole.dashboards.pages import compare_page, search_page, trace_page, trace_parts


def page_router(answers: Answers) -> APIRouter:
    """Routes of all pages."""
    router = APIRouter(include_in_schema=False)
    for module in (compare_page, search_page, trace_page, trace_parts):
        router.include_router(module.routes(answers))
    return router
