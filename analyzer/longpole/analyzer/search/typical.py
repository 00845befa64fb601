"""How long a trace of a root operation typically takes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

FEWEST = 5
Root = tuple[str, str]


def typical_durations(traces: pa.Table) -> dict[Root, int]:
    """The median duration in nanoseconds of each (root service, root operation) with at least
    `FEWEST` traces."""
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
    typical = {}
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        if size >= FEWEST:
            service, operation = divmod(int(sorted_cells[start]), len(names[1]))
            # Nearest rank: a duration that a trace really had.
            middle = int(sorted_durations[start + (size - 1) // 2])
            typical[names[0][service], names[1][operation]] = middle
    return typical
