"""From an explained trace to the cells that comparisons add up."""

from __future__ import annotations

from collections.abc import Sequence

from longpole.analyzer.compare.sample import Cell, Operation, Part, TraceCells
from longpole.analyzer.explain import Explanation
from longpole.analyzer.intervals import alone_ns
from longpole.analyzer.labels import Label
from longpole.model.span import SpanKind

_MOST = (1 << 63) - 1
_OF_LABEL = {
    Label.NET_REQUEST: Part.NETWORK,
    Label.NET_RESPONSE: Part.NETWORK,
    Label.NET_WAIT: Part.CALL,
    Label.BACKOFF: Part.BACKOFF,
}
_OWN_LABELS = (Label.SELF, Label.SELF_OVERLAPPED)
# Parts whose work off the path is not known: what the path holds of them is all there is.
_ONLY_ON_PATH = (Part.BACKOFF, Part.QUEUE)


def trace_cells(e: Explanation) -> TraceCells:
    """The cells of a trace; of an empty one, no cells.

    Asynchronous and orphaned spans count as calls and as work, though no path holds them.
    """
    spans = e.spans
    operations: list[Operation] = list(zip(spans.services, spans.names, strict=True))
    cells: dict[Operation, Cell] = {}
    for index, operation in enumerate(operations):
        cell = cells.get(operation)
        if cell is None:
            cell = cells[operation] = Cell()
        cell.calls += 1
        children = e.tree.children[index]
        start, end = spans.starts[index], spans.ends[index]
        cell.took = min(cell.took + end - start, _MOST)
        if not children:
            cell.own[Part.CALL] += end - start
        else:
            part = Part.NETWORK if _is_remote_call(e, index, children) else Part.BETWEEN
            between = ((spans.starts[child], spans.ends[child]) for child in children)
            cell.own[part] += alone_ns(between, start, end)
    for segment in e.segments:
        cell = cells[operations[segment.span]]
        held = segment.end_unix_nano - segment.start_unix_nano
        if segment.label in _OWN_LABELS:
            is_leaf = not e.tree.children[segment.span]
            part = Part.CALL if is_leaf else Part.BETWEEN
        else:
            part = _OF_LABEL.get(segment.label, Part.QUEUE)
        cell.path[part] += held
        if part in _ONLY_ON_PATH:
            cell.own[part] += held
    for cell in cells.values():
        # Labels and intervals may part the time of a span differently (a call whose answer
        # overlaps); what the path holds was work in any case.
        cell.own = [
            min(max(own, path), _MOST) for own, path in zip(cell.own, cell.path, strict=True)
        ]
    has_root = e.root >= 0
    return TraceCells(
        trace_id=e.trace_id,
        root=operations[e.root] if has_root else ("", ""),
        start_unix_nano=e.start_unix_nano,
        duration_ns=e.duration_ns,
        is_error=e.error_count > 0,
        cells=cells,
    )


def _is_remote_call(e: Explanation, index: int, children: Sequence[int]) -> bool:
    kinds, services = e.spans.kinds, e.spans.services
    return kinds[index] in (SpanKind.CLIENT, SpanKind.PRODUCER) and any(
        services[child] != services[index] for child in children
    )
