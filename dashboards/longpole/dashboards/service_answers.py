"""Questions about services and their operations."""

from __future__ import annotations

from typing import Any

from longpole.analyzer.reports.service_over_time import operation_over_time, service_over_time
from longpole.analyzer.reports.service_verdict import service_verdict
from longpole.analyzer.reports.services_over_time import Shown, services_over_time
from longpole.analyzer.reports.services_report import services_report
from longpole.dashboards import parameters
from longpole.dashboards.asked_store import Asked
from longpole.dashboards.errors import UnknownOperation, UnknownService
from longpole.dashboards.parameters import PATH_OPTIONS, Parameters
from longpole.dashboards.time_window import TIME_PARAMETERS, window_of

WHY_NO_SERVICE = (
    "its name is spelt another way: `longpole services` lists all",
    "it sent nothing in that time, or its traces are not settled yet",
)
WHY_NO_OPERATION = (
    "its name is spelt another way: the page of the service lists all",
    "it did not run in that time, or its traces are not settled yet",
)


class ServiceAnswers(Asked):
    """Methods of `Answers` about services."""

    __slots__ = ()

    def services(self, asked: Parameters) -> dict[str, Any]:
        """Services whose spans start in the range asked for."""
        parameters.only(asked, frozenset({"since", "from", "to"}))
        return services_report(self.store, parameters.time_range(asked, self.clock))

    def service_verdict(self, service: str, asked: Parameters) -> dict[str, Any]:
        """Where, why and what to do for one service, over all its traces in that time."""
        parameters.only(asked, frozenset({"since", "from", "to"}), PATH_OPTIONS)
        time = parameters.time_range(asked, self.clock)
        options = parameters.path_options(asked)
        document = service_verdict(self.store, service, time, options, self.thresholds)
        if document is None:
            raise UnknownService(service, WHY_NO_SERVICE)
        return document

    def overview(self, asked: Parameters, shown: Shown | None = None) -> dict[str, Any]:
        """All services over time, and where their time goes; the last hour unless asked. With
        `shown`, only the services that it names come with series."""
        parameters.only(asked, TIME_PARAMETERS)
        return services_over_time(self.store, window_of(asked, self.clock).red, shown)

    def service(self, service: str, asked: Parameters) -> dict[str, Any]:
        """One service over time, with its operations."""
        parameters.only(asked, TIME_PARAMETERS)
        window = window_of(asked, self.clock).red
        return self._known(service, service_over_time(self.store, service, window))

    def service_operation(self, service: str, asked: Parameters) -> dict[str, Any]:
        """The operation `name` of one service over time."""
        parameters.only(asked, TIME_PARAMETERS, frozenset({"name"}))
        window = window_of(asked, self.clock).red
        name = parameters.first(asked, "name") or ""
        document = operation_over_time(self.store, service, name, window)
        if document is None and service in {one.name for one in self.store.services(window.time)}:
            raise UnknownOperation(name, service, WHY_NO_OPERATION)
        return self._known(service, document)

    def _known(self, service: str, document: dict[str, Any] | None) -> dict[str, Any]:
        if document is None:
            raise UnknownService(service, WHY_NO_SERVICE)
        return document
