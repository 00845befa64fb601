"""Which frames a journal holds, read from headers alone, before anybody owns it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from longpole.storage.journal.inventory import journal_files
from longpole.storage.journal.scan import Found, scan


@dataclass(frozen=True, slots=True)
class JournalFrames:
    """Sequence number of every whole frame to that of the durable one before it (0: unknown)."""

    previous: Mapping[int, int]

    def hold(self, first: int, last: int) -> bool:
        """Whether every frame from `first` to `last`, both of which were written, is there.
        Numbers that a failed write used up are no frames."""
        if first not in self.previous or last not in self.previous:
            return False
        inner = (before for number, before in self.previous.items() if first < number <= last)
        return all(before in self.previous or before < first for before in inner)


def journal_frames(directory: Path, after_sequence: int) -> JournalFrames:
    """The frames after that number. Files that cannot be read hold none."""
    previous: dict[int, int] = {}
    for file in journal_files(directory)[0]:
        if file.last_sequence is not None and file.last_sequence <= after_sequence:
            continue
        try:
            fd = os.open(file.path, os.O_RDONLY)
        except OSError:
            continue
        try:
            for piece in scan(fd, os.fstat(fd).st_size, with_bodies=False):
                if isinstance(piece, Found) and piece.header.sequence_number > after_sequence:
                    previous[piece.header.sequence_number] = piece.header.previous
        finally:
            os.close(fd)
    return JournalFrames(previous)
