"""Call paths as folded stacks: one line each, frames from the root down, then nanoseconds.

The format of flamegraph.pl, inferno and speedscope. It knows no escapes, so a semicolon inside a
name, which would end the frame, is written `%3B`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from longpole.cli.render.text import inert

# A stack is written out for each of its frames; a chain of thousands would fill disks.
MOST_FRAMES = 500
UNEXPLAINED = "(call path not known)"
OWN = "self"


def folded_stacks(document: Mapping[str, Any]) -> str:
    """`document` is that of `longpole critical-path --tree --json`. The numbers of all lines add
    up to `roots.duration_sum_ns`. Time other than a span's own work is a frame of its own below
    it, such as `[net_wait]`."""
    return "".join(f"{stack} {value}\n" for stack, value in _lines(document))


def _lines(document: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    stack: list[str] = []
    for node in document["tree"]:
        del stack[node["depth"] :]
        stack.append(frame_name(node).replace(";", "%3B"))
        frames = stack
        if len(stack) > MOST_FRAMES:
            frames = [*stack[: MOST_FRAMES // 2], "…", *stack[-MOST_FRAMES // 2 :]]
        for label, value in node["labels"].items():
            own = [] if label == OWN else [f"[{label}]"]
            yield ";".join([*frames, *own]), value
    rest = document["unexplained"]["critical_ns"]
    if rest:
        yield UNEXPLAINED, rest


def frame_name(node: Mapping[str, Any]) -> str:
    """Service and operation on one line, as they were sent apart from control characters."""
    return f"{inert(node['service'])} {inert(node['operation'])}"
