"""The path that leads to any span's end: what its tree did until then, waited-for parts first.

`critical_path.walk` explains a whole root. Here the end may be any span's, at any instant: its own
part comes last, and before it, in each of its ancestors, what the ancestor did until it called.

    root   |-----------------------------|        path to the end of p:
    a         |---|                               root, a, root, b, p
    b                 |---------|
    p                    |---|                    (what b and root do after p is not on it)
    c                   |------|                  (c still runs when p begins: beside the path)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from longpole.analyzer.critical_path import RawPath, Windows, walk
from longpole.analyzer.tree import SpanTree


def chain_to(
    tree: SpanTree, found: Windows, span: int, is_stop: Callable[[int], bool]
) -> list[int]:
    """From a span up to the nearest one (itself included) that its parent did not wait for, or
    at which `is_stop`."""
    chain = [span]
    while (
        tree.parents[chain[-1]] >= 0 and chain[-1] not in found.detached and not is_stop(chain[-1])
    ):
        chain.append(tree.parents[chain[-1]])
    return chain


def walk_to(chain: Sequence[int], found: Windows, until: int, eps_ns: int = 0) -> RawPath:
    """The path of the chain's last span (an ancestor of all others) that ends with its first
    one at `until`. Covers the time from the ancestor's start to `until`; nothing if that is not
    later."""
    low, high, blocking = found.starts, found.ends, found.blocking
    pieces: list[RawPath] = []
    t = until
    visited = list(reversed(chain))
    beside: dict[int, list[int]] = {}
    for place, span in enumerate(chain):
        if t <= low[span]:
            continue
        # Who still runs when the call begins, or when the path is cut off, is parallel to it.
        child = chain[place - 1] if place else -1
        children: list[int] = []
        skipped: list[int] = []
        for c in blocking[span]:
            if high[c] <= min(t, high[span]) + eps_ns and c != child:
                children.append(c)
            elif c != child and low[c] < t:
                skipped.append(c)
        piece = walk(span, found, eps_ns, until=t, children=children)
        pieces.append(piece)
        visited += piece.visited[1:]
        for owner, others in piece.beside.items():
            beside.setdefault(owner, []).extend(others)
        if skipped:
            beside.setdefault(span, []).extend(skipped)
        t = low[span]
    path = RawPath([], [], [], visited, beside)
    for piece in reversed(pieces):
        path.owners.extend(piece.owners)
        path.starts.extend(piece.starts)
        path.ends.extend(piece.ends)
    return path
