"""A trace for profilers: as trace events (Chrome, Perfetto) and as a profile (speedscope).

Both have the critical path, which nothing else can show, as a track or a profile of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from longpole.analyzer.explain import Explanation
from longpole.analyzer.labels import Label
from longpole.analyzer.reports.trace_report import kind_name, status_name
from longpole.model.ids import span_id_hex, trace_id_hex
from longpole.model.span import Span

PATH_TRACK = 0
DEEPEST_STACK = 200  # frames; of a deeper one the outermost are left out
SPEEDSCOPE_SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def trace_events(
    explanation: Explanation, sent: Sequence[Span], first_process: int = 1
) -> Iterator[dict[str, Any]]:
    """Events of Chrome's trace format, times in microseconds: the critical path as process
    `first_process`, then one process for each service, in which every span nests in what its
    thread shows. `sent` are the spans behind the rows of the explanation, or none."""
    e = explanation
    spans = e.spans
    yield _named(first_process, f"critical path of {trace_id_hex(e.trace_id)}", 0)
    segments = e.segments
    columns = (segments.owners, segments.labels, segments.starts, segments.ends)
    for owner, label, start, end in zip(*columns, strict=True):
        name = f"{spans.services[owner]} › {spans.names[owner]}"
        args = {"label": str(label), "span_id": span_id_hex(spans.span_ids[owner])}
        yield _complete(name, first_process, PATH_TRACK, start, end, args, "critical-path")
    processes: dict[str, int] = {}
    lanes: dict[int, _Lanes] = {}
    for index in sorted(range(len(spans)), key=lambda i: (spans.starts[i], -spans.ends[i], i)):
        service = spans.services[index]
        process = processes.get(service)
        if process is None:
            process = processes[service] = first_process + 1 + len(processes)
            lanes[process] = _Lanes()
            yield _named(process, service, len(processes))
        start, end = spans.starts[index], spans.ends[index]
        args = _args(e, index, sent[spans.rows[index]] if sent else None)
        lane = lanes[process].place(start, end)
        yield _complete(spans.names[index], process, lane, start, end, args, args["kind"])


class _Lanes:
    """Threads of one process: a span goes onto the first in which it nests or follows."""

    def __init__(self) -> None:
        self._open: list[list[int]] = []  # by lane the ends of what is open, outermost first

    def place(self, start: int, end: int) -> int:
        """The lane of the next span; spans come by start, longer ones first."""
        for lane, ends in enumerate(self._open):
            while ends and ends[-1] <= start:
                ends.pop()
            if not ends or end <= ends[-1]:
                ends.append(end)
                return lane
        self._open.append([end])
        return len(self._open) - 1


def _args(e: Explanation, index: int, span: Span | None) -> dict[str, Any]:
    spans = e.spans
    parent = spans.parent_ids[index]
    args: dict[str, Any] = {
        "span_id": span_id_hex(spans.span_ids[index]),
        "parent_span_id": span_id_hex(parent) if parent else None,
        "kind": kind_name(spans.kinds[index]),
        "status": status_name(spans.status_codes[index]),
        "on_critical_path_us": e.critical_ns.get(index, 0) / 1000,
    }
    if span is not None:
        args |= {str(key): str(value) for key, value in span.attributes.items()}
    return args


def _named(process: int, name: str, place: int) -> dict[str, Any]:
    return {
        "ph": "M", "name": "process_name", "pid": process, "tid": 0,
        "args": {"name": name, "sort_index": place},
    }  # fmt: skip


def _complete(
    name: str, process: int, thread: int, start: int, end: int, args: dict[str, Any], category: str
) -> dict[str, Any]:
    return {
        "ph": "X", "name": name, "cat": category, "pid": process, "tid": thread,
        "ts": start / 1000, "dur": (end - start) / 1000, "args": args,
    }  # fmt: skip


def path_profile(explanation: Explanation, frames: dict[str, int]) -> dict[str, Any]:
    """A profile of speedscope: at every instant of the critical path the stack from the root to
    the span that held it, what else but own work it did as a frame of its own. `frames` are
    shared by all profiles of a file and grow."""
    e = explanation
    spans, parents = e.spans, e.tree.parents
    stacks: dict[int, list[int]] = {}
    samples: list[list[int]] = []
    weights: list[int] = []
    segments = e.segments
    columns = (segments.owners, segments.labels, segments.starts, segments.ends)
    for owner, label, start, end in zip(*columns, strict=True):
        stack = stacks.get(owner)
        if stack is None:
            chain: list[int] = []
            above = owner
            while above >= 0 and len(chain) < DEEPEST_STACK:
                name = f"{spans.services[above]} › {spans.names[above]}"
                chain.append(frames.setdefault(name, len(frames)))
                above = parents[above]
            stack = stacks[owner] = chain[::-1]
        own = [] if label is Label.SELF else [frames.setdefault(f"[{label}]", len(frames))]
        samples.append([*stack, *own])
        weights.append(end - start)
    name = f"{spans.services[e.root]} › {spans.names[e.root]}" if e.root >= 0 else "no spans"
    return {
        "type": "sampled",
        "name": f"{name} ({trace_id_hex(e.trace_id)})",
        "unit": "nanoseconds",
        "startValue": 0,
        "endValue": sum(weights),
        "samples": samples,
        "weights": weights,
    }


def speedscope_file(frames: dict[str, int], profiles: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The file that holds these profiles."""
    return {
        "$schema": SPEEDSCOPE_SCHEMA,
        "name": "longpole traces",
        "exporter": "longpole",
        "activeProfileIndex": 0,
        "shared": {"frames": [{"name": name} for name in frames]},
        "profiles": list(profiles),
    }
