"""The time ribbon: who was on the critical path when, as a few rectangles.

|web|auth|          cart           |pay|web|      width = the whole root interval
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH = 1000
MAX_PIECES = 400


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of path segments of one service; `x` and `width` of `WIDTH` units."""

    service: str
    operation: str
    label: str
    x: float
    width: float
    duration_ns: int
    share: float


def ribbon(segments: Sequence[Mapping[str, Any]]) -> list[Piece]:
    """Pieces from left to right, without holes, at most `MAX_PIECES`."""
    if not segments:
        return []
    begin = segments[0]["start_unix_nano"]
    total = segments[-1]["end_unix_nano"] - begin
    if total <= 0:
        return []
    runs = _merged(
        [
            (s["start_unix_nano"] - begin, s["end_unix_nano"] - begin, s["service"],
             s["operation"], s["label"])
            for s in segments
        ]
    )  # fmt: skip
    if len(runs) > MAX_PIECES:
        runs = _merged(_sampled(runs, total))
    return [
        Piece(
            service, operation, label,
            x=start * WIDTH / total, width=(end - start) * WIDTH / total,
            duration_ns=end - start, share=(end - start) / total,
        )
        for start, end, service, operation, label in runs
    ]  # fmt: skip


_Run = tuple[int, int, str, str, str]


def _merged(runs: Sequence[_Run]) -> list[_Run]:
    """Neighbours of one service become one run; it is named after its longest part."""
    merged: list[_Run] = []
    longest = 0
    for start, end, service, operation, label in runs:
        if merged and merged[-1][2] == service:
            first, _, _, kept_operation, kept_label = merged[-1]
            if end - start > longest:
                kept_operation, kept_label, longest = operation, label, end - start
            merged[-1] = (first, end, service, kept_operation, kept_label)
        else:
            merged.append((start, end, service, operation, label))
            longest = end - start
    return merged


def _sampled(runs: Sequence[_Run], total: int) -> list[_Run]:
    """One run per slot of equal width: the one that holds most of the slot."""
    sampled: list[_Run] = []
    index = 0
    for slot in range(MAX_PIECES):
        start, end = slot * total // MAX_PIECES, (slot + 1) * total // MAX_PIECES
        if end <= start:
            continue
        while runs[index][1] <= start:
            index += 1
        best, most, at = runs[index], 0, index
        while at < len(runs) and runs[at][0] < end:
            held = min(runs[at][1], end) - max(runs[at][0], start)
            if held > most:
                best, most = runs[at], held
            at += 1
        sampled.append((start, end, *best[2:]))
    return sampled
