"""Timelines of test traces, and edits of single spans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.path_spans import spans_of_trace
from longpole.analyzer.what_if.changes import parse_changes
from longpole.analyzer.what_if.edits import Edits, edits_of, no_edits
from longpole.analyzer.what_if.loops import PLAIN, Loops
from longpole.analyzer.what_if.prediction import retimed_roots
from longpole.analyzer.what_if.timelines import Timelines, timelines
from longpole.model.trace import Trace


def lines_of(*traces: Trace, options: PathOptions | None = None) -> Timelines:
    """The timelines of these traces, numbered from 1."""
    sent = [spans_of_trace(replace(one, trace_id=n)) for n, one in enumerate(traces, 1)]
    return timelines(sent, PLAIN, options)


def everything_again(edits: Edits) -> Edits:
    """The same edits, with every span worked out again instead of taken over."""
    return replace(edits, is_edited=np.ones_like(edits.is_edited))


def grown(lines: Timelines, by: Mapping[int, int], loops: Loops = PLAIN) -> int:
    """How long the only trace takes when these spans take so much longer (or shorter)."""
    edits = no_edits(lines)
    for span, amount in by.items():
        edits.added[span] = amount
        edits.is_edited[span] = 1
    return int(retimed_roots(lines, edits, loops)[0])


def supposed(tree: Trace, *changes: str) -> int:
    """How long a trace takes under changes."""
    lines = lines_of(tree)
    edits, _ = edits_of(lines, parse_changes(list(changes)))
    return int(retimed_roots(lines, edits, PLAIN)[0])
