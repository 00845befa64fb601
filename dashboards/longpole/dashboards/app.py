"""The web application: API, pages, metrics and static files, and one shape for errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from loguru import logger
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from longpole.analyzer.alerting.board import FixedBoard, RuleBoard
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.dashboards import errors
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import api_router, as_json
from longpole.dashboards.asked_store import Limit, Readable
from longpole.dashboards.assets import assets_router
from longpole.dashboards.failed_questions import FailedQuestions
from longpole.dashboards.live_events import live_router
from longpole.dashboards.live_feed import LiveFeed
from longpole.dashboards.openapi import describe
from longpole.dashboards.pages import page_router
from longpole.dashboards.pages.rendering import error_page
from longpole.dashboards.trace_data_api import trace_data_router
from longpole.model.clock import Clock

# What programs and scripts ask for; they get errors as JSON.
NOT_PAGES = (
    "/api/",
    "/static/",
    "/metrics",
    "/tempo",
    "/jaeger",
    "/prometheus",
    "/loki",
    "/zipkin",
)
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Has exemplars; whoever scrapes asks for it.
OPEN_METRICS = "application/openmetrics-text"
OPEN_METRICS_TYPE = f"{OPEN_METRICS}; version=1.0.0; charset=utf-8"


@dataclass(frozen=True, slots=True)
class WebSettings:
    """What the pages need to know about their server. Once it `is_stopping`, streams end.
    `ingest` gives its counters of what came in, as `/metrics` does; by default all of that."""

    version: str = ""
    addresses: Mapping[str, str] = field(default_factory=dict)
    thresholds: Thresholds = Thresholds()
    limits: Sequence[Limit] = ()
    is_stopping: Callable[[], bool] = lambda: False
    board: RuleBoard = FixedBoard()
    ingest: Callable[[], bytes] | None = None


def create_app(
    store: Readable,
    clock: Clock,
    settings: WebSettings,
    metrics: Callable[[], bytes] = lambda: b"",
    open_metrics: Callable[[], bytes] | None = None,
) -> FastAPI:
    """The application for one store. `metrics` gives the text of `/metrics`, `open_metrics` that
    for whoever asks for OpenMetrics.

    It has no guard of its own: the wiring puts `security.WebGuard` around it.
    """
    answers = Answers(
        store, clock, settings.addresses, settings.version, settings.thresholds,
        settings.ingest or metrics, settings.limits, board=settings.board,
    )  # fmt: skip
    # The interactive documentation would load scripts from elsewhere; the schema itself stays.
    app = FastAPI(
        title="Longpole",
        version=settings.version or "0",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.service_colours = store.service_colours
    app.state.failed_questions = FailedQuestions(clock)
    app.include_router(api_router(answers))
    app.include_router(live_router(answers, LiveFeed(store, clock, settings.is_stopping)))
    app.include_router(trace_data_router(answers))
    app.include_router(page_router(answers))
    app.include_router(assets_router())
    describe(app)
    # Pages of many services have megabytes of markup that shrink to a tenth. Event streams and what
    # is packed already stay as they are.
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=1)

    @app.get("/metrics", include_in_schema=False)
    def own_metrics(request: Request) -> Response:
        accepted = request.headers.get("accept", "")
        if open_metrics is not None and OPEN_METRICS in accepted:
            return Response(open_metrics(), media_type=OPEN_METRICS_TYPE)
        return Response(metrics(), media_type=METRICS_TYPE)

    for kind in errors.ANSWERED:
        app.add_exception_handler(kind, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _bug)
    return app


def _answer(
    request: Request, status: int, code: str, message: str, reasons: tuple[str, ...] = ()
) -> Response:
    if _is_page(request):
        return error_page(request, status, code, message, reasons)
    response = as_json(errors.document(code, message, reasons))
    response.status_code = status
    if status == 503:
        response.headers["Retry-After"] = "1"
    return response


def _is_page(request: Request) -> bool:
    """Whether a person asked: what programs and scripts ask for has a prefix."""
    path: str = request.scope["path"]
    return not path.startswith(NOT_PAGES)


def _refused(request: Request, error: Exception) -> Response:
    refusal = errors.refusal_of(error)
    reasons = getattr(error, "reasons", ())
    return _answer(request, refusal.status, refusal.code, str(error), reasons)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: ("not_found", "there is nothing at this address"),
             405: ("method_not_allowed", "this address takes another method")}  # fmt: skip
    code, message = words.get(error.status_code, ("refused", str(error.detail)))
    response = _answer(request, error.status_code, code, message)
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first.get("loc", ()))
    return _answer(request, 400, "bad_question", f"{where}: {first.get('msg', 'does not fit')}")


def _bug(request: Request, error: Exception) -> Response:
    logger.opt(exception=error).error("a question failed: {}", request.scope["path"])
    request.app.state.failed_questions.note(request.scope["path"])
    return _answer(request, 500, "bug", "the server failed on this question; its log says why")
