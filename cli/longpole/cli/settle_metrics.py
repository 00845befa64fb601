"""Own metrics of settling, and the word in the log when it has to hurry."""

from __future__ import annotations

from loguru import logger
from prometheus_client import CollectorRegistry, Counter

from longpole.analyzer.settle import SettleRound
from longpole.collector.metrics import Metric

SETTLE_METRICS = (
    Metric(
        "longpole_settle_traces_total", "counter", "traces", ("looked_into",),
        "Traces explained. looked_into: yes, or no for those whose paths are known and for which "
        "nobody looked for findings, since too many waited.",
    ),
)  # fmt: skip


class SettleCounts:
    """Counts the rounds of a server."""

    def __init__(self, registry: CollectorRegistry) -> None:
        (row,) = SETTLE_METRICS
        counter = Counter(row.name, row.help, row.labels, registry=registry)
        self._yes, self._no = counter.labels("yes"), counter.labels("no")
        self._is_hurried = False

    def add(self, done: SettleRound) -> None:
        """Take in one round."""
        self._yes.inc(done.traces - done.not_looked_into)
        self._no.inc(done.not_looked_into)
        if done.traces and bool(done.not_looked_into) != self._is_hurried:
            self._is_hurried = not self._is_hurried
            if self._is_hurried:
                logger.warning(
                    "more traces wait than can be looked into: findings are looked for in a part "
                    "of them (failed, slow and every so many); paths and sums stay exact"
                )
            else:
                logger.info("every trace is looked into again")
