"""Views of traces in memory: the newest ones, up to so many bytes."""

from __future__ import annotations

MOST_BYTES = 64 << 20


class MemoryViews:
    """The views put last, by trace id. Not safe for several threads at once."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._views: dict[int, tuple[int, bytes]] = {}

    def put(self, trace_id: int, revision: int, view: bytes) -> None:
        """See `trace_parts.ViewShelf.put_view`."""
        self._views.pop(trace_id, None)
        if len(view) > self._most_bytes:
            return
        self._views[trace_id] = revision, view
        held = sum(len(kept) for _, kept in self._views.values())
        while held > self._most_bytes:
            _, forgotten = self._views.pop(next(iter(self._views)))
            held -= len(forgotten)

    def view(self, trace_id: int, revision: int) -> bytes | None:
        """See `trace_parts.TraceParts.view_of_trace`."""
        known = self._views.get(trace_id)
        return known[1] if known is not None and known[0] == revision else None
