"""What was odd in one request, counted while it is decoded."""

from __future__ import annotations

from longpole.model.problem import Problem, Severity

EXAMPLES_KEPT = 5


class Tally:
    """Counts rejected records and altered fields by stable code; one `Problem` per code."""

    def __init__(self) -> None:
        self.rejected = 0
        self._counts: dict[str, int] = {}
        self._texts: dict[str, tuple[str, Severity]] = {}
        self._span_ids: dict[str, list[int]] = {}

    def reject(self, code: str, message: str, count: int = 1) -> None:
        """`count` records are not kept. The first message of a code is the one shown."""
        self.rejected += count
        self._note(code, message, Severity.LOSS, count, 0)

    def warn(self, code: str, message: str, span_id: int = 0) -> None:
        """Something was altered, and the record that holds it is kept."""
        self._note(code, message, Severity.WARNING, 1, span_id)

    def _note(self, code: str, text: str, severity: Severity, count: int, span_id: int) -> None:
        self._texts.setdefault(code, (text, severity))
        self._counts[code] = self._counts.get(code, 0) + count
        examples = self._span_ids.setdefault(code, [])
        if span_id and len(examples) < EXAMPLES_KEPT:
            examples.append(span_id)

    def problems(self) -> tuple[Problem, ...]:
        """In the order in which the codes were first seen."""
        return tuple(
            Problem(code, text, severity, self._counts[code], tuple(self._span_ids[code]))
            for code, (text, severity) in self._texts.items()
        )
