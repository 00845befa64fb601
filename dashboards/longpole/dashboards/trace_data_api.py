"""The binary questions about one trace: its columns and the ids of its spans."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from time import perf_counter_ns

from fastapi import APIRouter, Request, Response

from longpole.dashboards import lpt1
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked
from longpole.dashboards.trace_views import TraceView

# A state of a settled trace never changes, and an address with `r` names the state.
FOR_GOOD = "private, max-age=31536000, immutable"
ASK_AGAIN = "private, no-cache"
_LEAST_GZIPPED = 1_000
_GZIP_LEVEL = 1  # higher ones take several times as long for a tenth less


def trace_data_router(answers: Answers) -> APIRouter:
    """Routes below `/api/v1/traces/{id}`."""
    router = APIRouter(prefix="/api/v1/traces/{trace_id}")

    @router.get("/columns", summary="Every span of a trace as arrays (LPT1)")
    def columns(trace_id: str, request: Request) -> Response:
        began = perf_counter_ns()
        view, selected = answers.trace_columns(trace_id, asked(request))
        return _answer(
            request, view, "columns" if selected < 0 else f"columns.{selected}", lpt1.MEDIA_TYPE,
            lambda: view.encoded(selected), began,
        )  # fmt: skip

    @router.get("/ids", summary="The span ids of a trace in the order of its columns")
    def ids(trace_id: str, request: Request) -> Response:
        began = perf_counter_ns()
        view, _ = answers.trace_columns(trace_id, asked(request))
        return _answer(
            request, view, "ids", "application/octet-stream",
            lambda: lpt1.encoded_ids(view.columns), began,
        )  # fmt: skip

    return router


def _answer(
    request: Request,
    view: TraceView,
    what: str,
    media_type: str,
    body_of: Callable[[], bytes],
    began: int,
) -> Response:
    tag = f'"{view.version}-{what}"'
    is_named = request.query_params.get("r") == view.version
    headers = {
        "ETag": tag,
        "Cache-Control": FOR_GOOD if is_named and view.is_settled else ASK_AGAIN,
        "Vary": "Accept-Encoding",
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    explained = perf_counter_ns()
    body = body_of()
    if len(body) >= _LEAST_GZIPPED and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, _GZIP_LEVEL)
        headers["Content-Encoding"] = "gzip"
    done = perf_counter_ns()
    headers["Server-Timing"] = (
        f"explain;dur={(explained - began) / 1e6:.1f}, encode;dur={(done - explained) / 1e6:.1f}"
    )
    return Response(body, media_type=media_type, headers=headers)
