"""How long traces of a root operation take."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

FEWEST = 5
Root = tuple[str, str]


Durations = npt.NDArray[np.int64]


def durations_by_root(traces: pa.Table) -> dict[Root, Durations]:
    """The durations in nanoseconds, ascending, of each (root service, root operation) with at
    least `FEWEST` traces."""
    if not traces.num_rows:
        return {}
    codes = []
    names = []
    for column in ("root_service", "root_operation"):
        encoded = traces.column(column).combine_chunks().dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        codes.append(encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64))
        names.append(encoded.dictionary.to_pylist())
    cells = codes[0] * len(names[1]) + codes[1]
    durations = traces.column("duration_ns").to_numpy()
    order = np.lexsort((durations, cells))
    sorted_cells, sorted_durations = cells[order], durations[order]
    starts = np.append(0, np.flatnonzero(np.diff(sorted_cells)) + 1)
    sizes = np.diff(np.append(starts, cells.size))
    found = {}
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        if size >= FEWEST:
            service, operation = divmod(int(sorted_cells[start]), len(names[1]))
            root = names[0][service], names[1][operation]
            found[root] = sorted_durations[start : start + size]
    return found


def typical_ns(durations: Durations) -> int:
    """The median of ascending durations by nearest rank: one that a trace really had."""
    return int(durations[(durations.size - 1) // 2])


def others(durations: Durations, own_ns: int) -> Durations:
    """Ascending durations without that of one trace, if it is among them."""
    place = int(np.searchsorted(durations, own_ns))
    is_there = place < durations.size and durations[place] == own_ns
    return np.delete(durations, place) if is_there else durations
