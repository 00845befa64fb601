"""Questions about what is stored: SQL, exports, attribute keys, how the store is doing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from longpole.dashboards import exports, parameters
from longpole.dashboards.asked_store import Asked
from longpole.dashboards.errors import BadQuestion, UnknownTrace
from longpole.dashboards.parameters import FILTERS, Parameters
from longpole.dashboards.sql_rows import sql_document
from longpole.model.ids import parse_trace_id, trace_id_hex
from longpole.model.problem import Problem

SQL_MAX_ROWS = 1_000_000
SQL_MAX_SECONDS = 600.0
SQL_MAX_TEXT = 262_144


class StoreAnswers(Asked):
    """Methods of `Answers` about the store."""

    __slots__ = ()

    def attribute_keys(self, asked: Parameters) -> dict[str, Any]:
        """Every attribute key with its SQL type, by name."""
        parameters.only(asked)
        keys = sorted(self.store.attribute_keys().items())
        return {"keys": [{"key": key, "type": kind} for key, kind in keys]}

    def sql(self, text: str, max_rows: int, timeout_seconds: float) -> dict[str, Any]:
        """Rows of one SELECT."""
        if not 1 <= max_rows <= SQL_MAX_ROWS:
            raise BadQuestion(f"max_rows: choose from 1 to {SQL_MAX_ROWS:,}")
        if not 0 < timeout_seconds <= SQL_MAX_SECONDS:
            raise BadQuestion(f"timeout_seconds: above 0, at most {SQL_MAX_SECONDS:.0f}")
        if len(text) > SQL_MAX_TEXT:
            raise BadQuestion(f"sql is longer than {SQL_MAX_TEXT:,} characters")
        return sql_document(self.store.sql(text, max_rows, timeout_seconds))

    def export(self, asked: Parameters) -> exports.Export:
        """Telemetry in a format of `exports.FORMATS`."""
        parameters.only(asked, FILTERS, frozenset({"signal", "format"}))
        signal, form = exports.chosen(
            parameters.first(asked, "signal") or "traces",
            parameters.first(asked, "format") or "otlp-json",
        )
        query = None
        if any(asked.get(name) for name in FILTERS):
            query = parameters.query(asked, self.clock, default_limit=None)
        return exports.export(self.store, signal, form, query)

    def export_trace(self, trace_id: str, asked: Parameters) -> exports.Export:
        """One trace in a format of `exports.FORMATS`, named by `format` or, as links to files
        do, by `fmt`."""
        parameters.only(asked, frozenset({"format", "fmt"}))
        forms = [form for name in ("format", "fmt") if (form := parameters.first(asked, name))]
        if len(forms) > 1:
            raise BadQuestion("format and fmt are the same parameter; give one of them")
        identity = parse_trace_id(trace_id)
        if self.store.trace(identity) is None:
            raise UnknownTrace(trace_id_hex(identity), self.why_unknown())
        return self.export({"format": forms, "trace": [trace_id_hex(identity)]})

    def status(self) -> dict[str, Any]:
        """What is kept and how it is doing."""
        status = self.store.status()
        document = asdict(status)
        document["record_counts"] = {str(k.value): v for k, v in status.record_counts.items()}
        document["losses"] = dict(status.losses)
        document["problems"] = [_problem(problem) for problem in status.problems]
        return {"version": self.version, "addresses": dict(self.addresses), **document}


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code,
        "message": problem.message,
        "severity": problem.severity.value,
        "count": problem.count,
    }
