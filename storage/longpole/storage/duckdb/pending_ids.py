"""The ids of pending traces at one moment, as bytes: every question takes them while
acknowledgements wait, and most look one of them up, or none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt

from longpole.model.ids import join_trace_id, split_trace_id


class PackedIds:
    """A set of trace ids, packed before anybody takes them. The owner's lock guards it."""

    def __init__(self) -> None:
        self._places: dict[int, int] = {}
        self._ids: list[int] = []
        self._packed = bytearray()

    def add(self, trace_id: int) -> None:
        """An id that is not in there."""
        self._places[trace_id] = len(self._ids)
        self._ids.append(trace_id)
        self._packed += trace_id.to_bytes(16, "big")

    def discard(self, trace_id: int) -> None:
        """Take an id out; the last one goes where it was."""
        place = self._places.pop(trace_id, None)
        if place is None:
            return
        last = self._ids.pop()
        if last != trace_id:
            self._ids[place] = last
            self._places[last] = place
            self._packed[16 * place : 16 * place + 16] = self._packed[-16:]
        del self._packed[-16:]

    def taken(self) -> PendingIds:
        """All of them at this moment."""
        return PendingIds(bytes(self._packed))


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
