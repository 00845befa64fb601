"""Call paths: a 64-bit number for the chain of (service, operation) from the root to a span."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.tree import SpanTree

ROOT_CHAIN = bytes(8)


def call_path_ids(spans: PathSpans, tree: SpanTree, visited: Iterable[int]) -> dict[int, int]:
    """The id of each visited span; `visited` holds parents before their children.

    The id of a span hashes its parent's id with its own service and operation, so equal chains
    have equal ids in every trace and process. A parent that is not among `visited` begins a
    new chain.
    """
    chains: dict[int, bytes] = {}
    known: dict[tuple[bytes, str, str], bytes] = {}
    for index in visited:
        above = chains.get(tree.parents[index], ROOT_CHAIN)
        step = (above, spans.services[index], spans.names[index])
        chain = known.get(step)
        if chain is None:
            chain = known[step] = extended(*step)
        chains[index] = chain
    return {index: int.from_bytes(chain, "big") for index, chain in chains.items()}


def extended(above: bytes, service: str, operation: str) -> bytes:
    """The chain that goes one step on from `above`."""
    name = service.encode("utf-8", "surrogatepass")
    # The length keeps ("a", "bc") and ("ab", "c") apart.
    text = operation.encode("utf-8", "surrogatepass")
    return blake2b(above + len(name).to_bytes(4, "big") + name + text, digest_size=8).digest()
