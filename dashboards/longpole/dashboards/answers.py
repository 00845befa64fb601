"""Every question and the JSON document that answers it: the API, the pages and the command line
without a server all ask here, so that they cannot disagree.

Each concept has a module of its own; whatever raises there is a row of `errors.REFUSALS`.
"""

from __future__ import annotations

from longpole.dashboards.alert_answers import AlertAnswers
from longpole.dashboards.log_answers import LogAnswers
from longpole.dashboards.path_answers import PathAnswers
from longpole.dashboards.service_answers import ServiceAnswers
from longpole.dashboards.store_answers import StoreAnswers
from longpole.dashboards.trace_answers import TraceAnswers


class Answers(TraceAnswers, PathAnswers, ServiceAnswers, LogAnswers, AlertAnswers, StoreAnswers):
    """All questions of one store, with the fields of `asked_store.Asked`."""

    __slots__ = ()
