"""Answers from a store in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from longpole.cli.exit_codes import NotFound, Refused
from longpole.cli.parameter_flags import in_flags
from longpole.cli.question import Asked, unknown
from longpole.dashboards import errors
from longpole.dashboards.answers import Answers


class LocalSource:
    """Asks a store in this process."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def traces(self, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.traces(asked)

    def trace(self, trace_id: str, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.trace(trace_id, asked)

    def critical_path(self, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.critical_path(asked)

    def findings(self, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.findings(asked)

    def gaps(self, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.gaps(asked)

    def root_cause(self, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.root_cause(asked)

    def what_if(self, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.what_if(asked)

    def logs(self, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.logs(asked)

    def log_patterns(self, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.log_patterns(asked)

    def compare(self, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.compare(asked)

    def compare_traces(self, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.compare_traces(asked)

    def compare_with(self, head: LocalSource, asked: Asked) -> dict[str, Any]:
        """This one as base against another as head."""
        with _as_failures():
            return self._answers.compare(asked, head._answers.store)

    def service_map(self, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.service_map(asked)

    def services(self, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.services(asked)

    def service_verdict(self, service: str, asked: Asked) -> dict[str, Any]:
        with _as_failures():
            return self._answers.service_verdict(service, asked)

    def status(self) -> dict[str, Any]:
        return self._answers.status()

    def sql(self, text: str, max_rows: int, timeout_seconds: float) -> dict[str, Any]:
        with _as_failures():
            return self._answers.sql(text, max_rows, timeout_seconds)

    @contextmanager
    def export(self, asked: Asked) -> Iterator[Iterator[bytes]]:
        with _as_failures():
            yield self._answers.export(asked).chunks

    def page_url(self, trace_id: str) -> str:
        return ""


@contextmanager
def _as_failures() -> Iterator[None]:
    try:
        yield
    except errors.NothingTypical as error:
        raise NotFound(str(error)) from None
    except (errors.UnknownTrace, errors.UnknownService) as error:
        raise NotFound(unknown(str(error), error.reasons)) from None
    except errors.BadQuestion as error:
        raise Refused(in_flags(str(error))) from None
    except errors.ANSWERED as error:
        raise Refused(str(error)) from None
