"""The pages: HTML from the same documents that the API gives, one module for each page.

Scripts make them quicker to work with; none is needed to read them.
"""

from __future__ import annotations

from fastapi import APIRouter

from longpole.dashboards.answers import Answers
from longpole.dashboards.pages import (
    alert_evidence_page,
    alerts_page,
    compare_page,
    findings_page,
    live_page,
    logs_page,
    map_page,
    operation_page,
    overview_page,
    search_page,
    service_page,
    services_page,
    settings_page,
    status_page,
    trace_page,
    trace_parts,
)

# One row for each page.
MODULES = (
    overview_page,
    services_page,
    operation_page,  # before the page whose path holds its own
    service_page,
    compare_page,
    live_page,
    search_page,
    trace_page,
    trace_parts,
    map_page,
    findings_page,
    logs_page,
    alerts_page,
    alert_evidence_page,
    status_page,
    settings_page,
)


def page_router(answers: Answers) -> APIRouter:
    """Routes of all pages."""
    router = APIRouter(include_in_schema=False)
    for module in MODULES:
        router.include_router(module.routes(answers))
    return router
