"""The status page: what comes in, what was dropped and why, what is kept, and the limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from longpole.dashboards.answers import Answers
from longpole.dashboards.ingest_rates import IngestRates, by_reason, counts_of
from longpole.dashboards.pages.rendering import page

_EXPIRED = "expired_by_"


def routes(answers: Answers) -> APIRouter:
    """Routes of this page."""
    router = APIRouter()
    rates = IngestRates(answers)

    @router.get("/status")
    def status(request: Request) -> Response:
        document = answers.status()
        counts = counts_of(answers.own_metrics())
        now = answers.clock.now_unix_nano()
        started = counts.get(("process_start_time_seconds", ()))
        return page(
            request,
            "status.html",
            place="status",
            store=document,
            flows=rates.flows(counts),
            refusals=by_reason(counts, "collector_refusals_total", 0),
            altered=by_reason(counts, "collector_problems_total", 0),
            in_flight=int(counts.get(("collector_in_flight_bytes", ()), 0)),
            losses=_losses(document["losses"]),
            expired=_expired(document["losses"]),
            now_unix_nano=now,
            started_unix_nano=int(started * 1e9) if started else None,
            limits=answers.limits,
            failed=request.app.state.failed_questions.told,
        )

    return router


def _losses(losses: Mapping[str, int]) -> dict[str, int]:
    """What was lost though nobody wanted that, by reason."""
    return {
        reason: count
        for reason, count in sorted(losses.items())
        if count and not reason.startswith(_EXPIRED)
    }


def _expired(losses: Mapping[str, int]) -> list[dict[str, Any]]:
    """What retention dropped, by reason."""
    found: dict[str, dict[str, Any]] = {}
    for name, count in losses.items():
        if name.startswith(_EXPIRED):
            reason, _, unit = name.removeprefix(_EXPIRED).rpartition("_")
            found.setdefault(reason, {"reason": reason, "rows": 0, "bytes": 0})[unit] = count
    return [one for _, one in sorted(found.items()) if one["rows"] or one["bytes"]]
