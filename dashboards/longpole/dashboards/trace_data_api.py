"""Questions about one trace that its kept view answers: columns, ids, verdict, state."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from time import perf_counter_ns

import numpy as np
from fastapi import APIRouter, Request, Response

from longpole.dashboards import lpt1
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import as_json, asked
from longpole.dashboards.trace_questions import (
    find_in_trace,
    span_document,
    trace_state,
    verdict_document,
    viewed,
)
from longpole.dashboards.trace_views import KeptView

# A state of a settled trace never changes, and an address with `r` names the state.
FOR_GOOD = "private, max-age=31536000, immutable"
ASK_AGAIN = "private, no-cache"
_NOT_KEPT = {"Cache-Control": "no-store"}
_GZIP_LEVEL = 1  # higher ones take several times as long for a tenth less


def trace_data_router(answers: Answers) -> APIRouter:
    """Routes below `/api/v1/traces/{id}`."""
    router = APIRouter(prefix="/api/v1/traces/{trace_id}")

    @router.get("/columns", summary="Every span of a trace as arrays (LPT1)")
    def columns(trace_id: str, request: Request) -> Response:
        began = perf_counter_ns()
        view, selected = viewed(answers, trace_id, asked(request))
        return _answer(
            request, view, "columns" if selected < 0 else f"columns.{selected}", lpt1.MEDIA_TYPE,
            lambda: view.encoded(selected), began,
        )  # fmt: skip

    @router.get("/ids", summary="The span ids of a trace in the order of its columns")
    def ids(trace_id: str, request: Request) -> Response:
        began = perf_counter_ns()
        view, _ = viewed(answers, trace_id, asked(request))
        return _answer(
            request, view, "ids", "application/octet-stream",
            lambda: lpt1.encoded_ids(view.columns), began,
        )  # fmt: skip

    @router.get("/verdict", summary="The report of a trace without the lists that grow with it")
    def verdict(trace_id: str, request: Request) -> Response:
        return as_json(verdict_document(answers, trace_id, asked(request)))

    @router.get("/find", summary="Which spans of a trace fit a question, a bit for each row")
    def find(trace_id: str, request: Request) -> Response:
        found = find_in_trace(answers, trace_id, asked(request))
        bits = np.packbits(found, bitorder="little").tobytes()
        return Response(bits, media_type="application/octet-stream", headers=_NOT_KEPT)

    @router.get("/spans/{span_id}", summary="All that is known of one span")
    def span(trace_id: str, span_id: str, request: Request) -> Response:
        return as_json(span_document(answers, trace_id, span_id, asked(request)))

    @router.get("/state", summary="Whether a trace is there and settled, and in what version")
    def state(trace_id: str) -> Response:
        response = as_json(trace_state(answers, trace_id))
        response.headers.update(_NOT_KEPT)
        return response

    return router


def _answer(
    request: Request,
    view: KeptView,
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
    is_packed = "gzip" in request.headers.get("accept-encoding", "")
    if is_packed:
        headers["Content-Encoding"] = "gzip"

    def made() -> bytes:
        return gzip.compress(body_of(), _GZIP_LEVEL) if is_packed else body_of()

    # Asked for again by the next reader; what selects a span is only for one.
    body = view.once(f"{what} {is_packed}", made) if "." not in what else made()
    done = perf_counter_ns()
    headers["Server-Timing"] = (
        f"explain;dur={(explained - began) / 1e6:.1f}, encode;dur={(done - explained) / 1e6:.1f}"
    )
    return Response(body, media_type=media_type, headers=headers)
