"""The ids of pending traces at one moment, as bytes: every question takes them while
acknowledgements wait, and most look one of them up, or none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt

from longpole.model.ids import join_trace_id, split_trace_id


class PendingIds(Collection[int]):
    """An immutable set of trace ids, from 16 bytes each, the high half first; each id once."""

    def __init__(self, packed: bytes = b"") -> None:
        self._packed = packed

    @classmethod
    def of(cls, trace_ids: Iterable[int]) -> PendingIds:
        """Those ids."""
        return cls(b"".join(trace_id.to_bytes(16, "big") for trace_id in set(trace_ids)))

    @cached_property
    def halves(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
        """The ids as the two columns that storage keeps."""
        pairs = np.frombuffer(self._packed, dtype=">u8").astype(np.uint64).reshape(-1, 2)
        return np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])

    def __len__(self) -> int:
        return len(self._packed) // 16

    def __iter__(self) -> Iterator[int]:
        hi, lo = self.halves
        return map(join_trace_id, hi.tolist(), lo.tolist())

    def __contains__(self, trace_id: object) -> bool:
        if not isinstance(trace_id, int):
            return False
        high, low = split_trace_id(trace_id)
        hi, lo = self.halves
        return bool(((lo == np.uint64(low)) & (hi == np.uint64(high))).any())
