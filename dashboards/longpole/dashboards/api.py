"""The JSON API under `/api/v1`: parameters in, documents of `answers` out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from longpole.dashboards import parameters
from longpole.dashboards.answers import Answers
from longpole.dashboards.exports import Export
from longpole.dashboards.links import BY_PARAMETER
from longpole.dashboards.sql_rows import encoded
from longpole.dashboards.store_answers import SQL_MAX_ROWS, SQL_MAX_SECONDS


class SqlQuestion(BaseModel):
    """The body of `POST /api/v1/sql`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sql: str
    max_rows: int = Field(default=10_000, ge=1, le=SQL_MAX_ROWS)
    timeout_seconds: float = Field(default=60.0, gt=0, le=SQL_MAX_SECONDS)


def asked(request: Request) -> Mapping[str, list[str]]:
    """The parameters of the URL, repeated ones as lists."""
    result: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        result.setdefault(name, []).append(value)
    return result


def of_service(service: str, request: Request) -> tuple[str, dict[str, list[str]]]:
    """The service that an address is about, and the other parameters; `links` says how it is
    named there."""
    given = dict(asked(request))
    if service == BY_PARAMETER:
        service = parameters.first(given, "service") or ""
        given.pop("service", None)
    return service, given


def as_json(document: Any) -> Response:
    """A document; integers keep every digit."""
    return Response(encoded(document), media_type="application/json")


def streamed(export: Export) -> Response:
    """An export, chunk by chunk, as a file to save."""
    # The file name is made of our own words, never of telemetry.
    disposition = f'attachment; filename="{export.file_name}"'
    return StreamingResponse(
        export.chunks, media_type=export.media_type, headers={"Content-Disposition": disposition}
    )


def api_router(answers: Answers) -> APIRouter:
    """Routes; each is one question. Handlers are plain functions, so they run in threads."""
    router = APIRouter(prefix="/api/v1")

    @router.get("/traces", summary="Find traces, newest first")
    def traces(request: Request) -> Response:
        return as_json(answers.traces(asked(request)))

    @router.get("/search", summary="Traces in an order, with facets, groups and a picture")
    def search(request: Request) -> Response:
        return as_json(answers.search(asked(request)))

    @router.get("/completion", summary="What may stand at a place of a query")
    def completion(request: Request) -> Response:
        return as_json(answers.completion(asked(request)))

    @router.get("/traces/{trace_id}", summary="The report of one trace")
    def trace(trace_id: str, request: Request) -> Response:
        return as_json(answers.trace(trace_id, asked(request)))

    @router.get("/traces/{trace_id}/export", summary="One trace in another format")
    def export_trace(trace_id: str, request: Request) -> Response:
        return streamed(answers.export_trace(trace_id, asked(request)))

    @router.get("/critical-path", summary="Where the time of all matching traces went")
    def critical_path(request: Request) -> Response:
        return as_json(answers.critical_path(asked(request)))

    @router.get("/findings", summary="What is wrong in matching traces, and what to do")
    def findings(request: Request) -> Response:
        return as_json(answers.findings(asked(request)))

    @router.get("/alerts", summary="Which alerts are pending or firing")
    def alerts(request: Request) -> Response:
        parameters.only(asked(request))
        return as_json(answers.alerts())

    @router.get("/gaps", summary="Where the critical path has no span to explain it")
    def gaps(request: Request) -> Response:
        return as_json(answers.gaps(asked(request)))

    @router.get("/root-cause", summary="Which service or call is to blame for what changed")
    def root_cause(request: Request) -> Response:
        return as_json(answers.root_cause(asked(request)))

    @router.get("/what-if", summary="What a change would do, and which would do most")
    def what_if(request: Request) -> Response:
        return as_json(answers.what_if(asked(request)))

    @router.get("/logs", summary="Log records")
    def logs(request: Request) -> Response:
        return as_json(answers.logs(asked(request)))

    @router.get("/logs/levels", summary="Log records by level over time")
    def log_levels(request: Request) -> Response:
        return as_json(answers.log_levels(asked(request)))

    @router.get("/logs/patterns", summary="Log patterns, and what changed")
    def log_patterns(request: Request) -> Response:
        return as_json(answers.log_patterns(asked(request)))

    @router.get("/compare", summary="What changed between two times, versions or filters")
    def compare(request: Request) -> Response:
        return as_json(answers.compare(asked(request)))

    @router.get("/map", summary="Who calls whom, what fails, and where the time goes")
    def service_map(request: Request) -> Response:
        return as_json(answers.service_map(asked(request)))

    @router.get("/compare/traces", summary="How one trace differs from another, or from typical")
    def compare_traces(request: Request) -> Response:
        return as_json(answers.compare_traces(asked(request)))

    @router.get("/services", summary="Services and their operations")
    def services(request: Request) -> Response:
        return as_json(answers.services(asked(request)))

    @router.get("/overview", summary="All services over time, and where their time goes")
    def overview(request: Request) -> Response:
        return as_json(answers.overview(asked(request)))

    @router.get("/services/{service:path}/operation", summary="One operation over time")
    def service_operation(service: str, request: Request) -> Response:
        return as_json(answers.service_operation(*of_service(service, request)))

    @router.get("/services/{service:path}/verdict", summary="What is wrong with one service")
    def service_verdict(service: str, request: Request) -> Response:
        return as_json(answers.service_verdict(*of_service(service, request)))

    @router.get("/services/{service:path}", summary="One service over time, with its operations")
    def service(service: str, request: Request) -> Response:
        return as_json(answers.service(*of_service(service, request)))

    @router.get("/attribute-keys", summary="Attribute keys with their SQL types")
    def attribute_keys(request: Request) -> Response:
        return as_json(answers.attribute_keys(asked(request)))

    @router.get("/status", summary="What is kept and how it is doing")
    def status() -> Response:
        return as_json(answers.status())

    @router.get("/export", summary="Telemetry as a stream")
    def export(request: Request) -> Response:
        return streamed(answers.export(asked(request)))

    @router.post("/sql", summary="One read-only SELECT")
    def sql(question: SqlQuestion) -> Response:
        return as_json(answers.sql(question.sql, question.max_rows, question.timeout_seconds))

    return router
