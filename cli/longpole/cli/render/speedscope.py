"""Call paths as a profile for speedscope (https://www.speedscope.app), its own JSON format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longpole.cli.render.folded_stacks import OWN, UNEXPLAINED, frame_name

SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def speedscope_profile(document: Mapping[str, Any]) -> dict[str, Any]:
    """`document` is that of `longpole critical-path --tree --json`. One evented profile in which
    every call path is opened once, for its inclusive time: its size is that of the tree, however
    deep. Time other than a span's own work is a frame of its own, such as `[net_wait]`."""
    profile = _Profile()
    for node in document["tree"]:
        profile.close_to(node["depth"])
        profile.open(frame_name(node))
        for label, value in node["labels"].items():
            profile.spend(value, None if label == OWN else f"[{label}]")
    profile.close_to(0)
    rest = document["unexplained"]["critical_ns"]
    if rest:
        profile.spend(rest, UNEXPLAINED)
    traces = document["roots"]["trace_count"]
    name = f"critical path of {traces:,} traces"
    return {
        "$schema": SCHEMA,
        "name": name,
        "exporter": "longpole",
        "activeProfileIndex": 0,
        "shared": {"frames": [{"name": frame} for frame in profile.frames]},
        "profiles": [
            {
                "type": "evented",
                "name": name,
                "unit": "nanoseconds",
                "startValue": 0,
                "endValue": profile.at,
                "events": profile.events,
            }
        ],
    }


class _Profile:
    """Events in order; `at` is the time that all before took."""

    def __init__(self) -> None:
        self.frames: dict[str, int] = {}
        self.events: list[dict[str, Any]] = []
        self.at = 0
        self._open: list[int] = []

    def open(self, name: str) -> None:
        frame = self.frames.setdefault(name, len(self.frames))
        self._open.append(frame)
        self.events.append({"type": "O", "frame": frame, "at": self.at})

    def close_to(self, depth: int) -> None:
        while len(self._open) > depth:
            self.events.append({"type": "C", "frame": self._open.pop(), "at": self.at})

    def spend(self, value: int, name: str | None) -> None:
        """Time of the open frame itself, or of one below it."""
        if name is None:
            self.at += value
            return
        self.open(name)
        self.at += value
        self.close_to(len(self._open) - 1)
