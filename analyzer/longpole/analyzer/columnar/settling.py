"""Settling in columns: path rows from compiled loops, verdicts and findings from explanations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from longpole.analyzer.clock_shift import Clocks
from longpole.analyzer.columnar.derived import Tables, derived_tables
from longpole.analyzer.columnar.paths import batch_paths
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.derived_rows import (
    NOT_LOOKED_INTO,
    UNEXPLAINED,
    DerivedColumns,
    FindingRows,
)
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.verdict import line_of
from longpole.model.finding import Finding
from longpole.storage.ports import DerivedRows, TraceState, WholeTraces


class ColumnarRows:
    """Takes the traces of `whole` in their order, as `DerivedColumns` does, and makes the same
    rows; those of the path, of the trace and of RED once for all of them."""

    def __init__(
        self,
        whole: WholeTraces,
        options: PathOptions | None,
        clocks: Sequence[Clocks],
        thresholds: Thresholds,
    ) -> None:
        self._paths = batch_paths(whole, options, clocks)
        self._thresholds = thresholds
        self._verdicts: list[str] = []
        self._findings = FindingRows()
        self._odd: dict[int, Tables] = {}

    def add(self, state: TraceState, e: Explanation) -> Sequence[Finding]:
        """The rows of the next trace; all of them or, if this raises, none. Gives back what was
        found in it."""
        findings = detect(e, self._thresholds)
        line = line_of(e, findings)
        if self._is_odd:
            alone = DerivedColumns(self._thresholds)
            alone.add(state, e)
            self._odd[len(self._verdicts)] = alone.rows((state,)).tables
        self._findings.add(state, e, findings)
        self._verdicts.append(line)
        return findings

    def add_unexplained(self, state: TraceState, sent: PathSpans) -> None:
        """The rows of the next trace, on which the plain code failed: its path is known all the
        same, unless it is odd."""
        if self._is_odd:
            alone = DerivedColumns(self._thresholds)
            alone.add_unexplained(state, sent)
            self._odd[len(self._verdicts)] = alone.rows((state,)).tables
        self._verdicts.append(UNEXPLAINED)

    def add_not_looked_into(self) -> None:
        """The rows of the next trace, which is not odd, without findings."""
        self._verdicts.append(NOT_LOOKED_INTO)

    def rows(self, settled: tuple[TraceState, ...]) -> DerivedRows:
        """All tables, once every trace was added."""
        tables = derived_tables(self._paths, self._verdicts, self._odd)
        return DerivedRows(settled, {**tables, "findings": self._findings.table()})

    @property
    def odd(self) -> npt.NDArray[np.bool_]:
        """Which traces only plain code can read."""
        return np.asarray(self._paths.forest.odd, np.bool_)

    @property
    def _is_odd(self) -> bool:
        return bool(self._paths.forest.odd[len(self._verdicts)])
