"""Gathers the evidence for alerts, once for each, and puts it into their messages."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from typing import Any

from loguru import logger

from longpole.analyzer.alerting.notifications import Notice
from longpole.analyzer.reports.alert_evidence import alert_evidence, evidence_lines
from longpole.model.clock import Clock
from longpole.storage.ports import TraceReader

REMEMBERED = 1_000
# When many alerts fire at once the first ones tell what happened; gathering costs a comparison.
MOST_AT_ONCE, AT_ONCE_NS = 10, 60 * 10**9
ANNOTATION = "longpole_evidence"


class AlertWitness:
    """Evidence by alert: what was gathered when it began to fire is kept until it is resolved."""

    def __init__(self, store: TraceReader, clock: Clock, url: str) -> None:
        self._store, self._clock, self._url = store, clock, url
        self._known: OrderedDict[tuple[str, int], dict[str, Any] | None] = OrderedDict()
        self._since_ns = self._count = 0
        self._lock = threading.Lock()

    def evidence(self, notice: Notice) -> dict[str, Any] | None:
        """Of a firing alert; None of a resolved one that was not known, and when too many fire."""
        key = notice.fingerprint, notice.starts_ms
        with self._lock:
            if key not in self._known and not notice.is_resolved:
                self._known[key] = self._gathered(notice)
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
            return self._known.get(key)

    def annotated(self, notice: Notice) -> Notice:
        """The notice with its evidence as one more annotation."""
        found = self.evidence(notice)
        if found is None:
            return notice
        text = evidence_lines(found, f"{self._url}/traces/")
        added = {**dict(notice.annotations), ANNOTATION: text}
        return replace(notice, annotations=tuple(sorted(added.items())))

    def _gathered(self, notice: Notice) -> dict[str, Any] | None:
        now = self._clock.now_unix_nano()
        if now - self._since_ns > AT_ONCE_NS:
            self._since_ns, self._count = now, 0
        self._count += 1
        if self._count > MOST_AT_ONCE:
            return None
        try:
            found = alert_evidence(
                self._store, dict(notice.labels), notice.active_at_ms * 1_000_000, now,
                notice.range_ms * 1_000_000,
            )  # fmt: skip
        except Exception:
            # An alert without evidence is worth more than none.
            logger.exception("the evidence for an alert could not be gathered")
            return None
        for trace in found["traces"]:
            trace["url"] = f"{self._url}/traces/{trace['trace_id']}"
        return found
