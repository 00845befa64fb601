"""What every question of this dialect is asked of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from longpole.analyzer.alerting.board import FixedBoard, RuleBoard
from longpole.analyzer.promql.catalog import SeriesCatalog
from longpole.analyzer.promql.evaluation import Limits, Settings
from longpole.analyzer.promql.expressions import Matcher
from longpole.analyzer.promql.series import Series
from longpole.grafana.presence import while_asked
from longpole.grafana.prometheus.asked import EARLIEST_MS, Asked, in_bounds
from longpole.model.clock import Clock

# Counters begin with a zero a little before their first news.
_BEFORE_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Asking:
    """Series, rules, a clock, and how much one query may cost. Nothing is stored from before
    `oldest_ms`. `shown` are the settings that `status/flags` lists."""

    catalog: SeriesCatalog
    clock: Clock
    board: RuleBoard = FixedBoard()
    settings: Settings = Settings(limits=Limits(steps=11_001))
    version: str = ""
    shown: Mapping[str, str] = field(default_factory=dict)
    oldest_ms: Callable[[], int] = lambda: EARLIEST_MS

    def now_ms(self) -> int:
        """The time of a query that names none."""
        return self.clock.now_unix_nano() // 10**6

    def elapsed_seconds(self) -> Callable[[], float]:
        """Tells the seconds since now, while somebody waits for the answer."""
        begin = self.clock.monotonic_ns()
        return while_asked(lambda: (self.clock.monotonic_ns() - begin) / 1e9)

    def select(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, most_samples: int
    ) -> Sequence[Series]:
        """The catalog as a source of queries, whose times may be anywhere."""
        return self.catalog.select(matchers, *self.stored(after_ms, through_ms), most_samples)

    def stored(self, after_ms: int, through_ms: int) -> tuple[int, int]:
        """A range of time without what is long before anything that is stored: "everything" is
        days, and a series that is made on a grid of steps must not begin in 1970."""
        least = max(EARLIEST_MS, self.oldest_ms() - _BEFORE_MS)
        return max(in_bounds(after_ms), least), max(in_bounds(through_ms), least)


class Answered(Protocol):
    """What a question is answered with."""

    @property
    def media_type(self) -> str:
        """What the pieces together are."""
        ...

    def pieces(self) -> Iterator[bytes]:
        """The whole document, in pieces of a useful size."""
        ...


Question = Callable[[Asking, Asked], Answered]
