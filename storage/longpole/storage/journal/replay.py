"""Reads frames back in order, around damage, and says what could not be read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from longpole.model.problem import Problem, Severity
from longpole.storage.journal.frame import Frame
from longpole.storage.journal.inventory import JournalFile, journal_files
from longpole.storage.journal.scan import Found, Stretch, scan

DAMAGED_BYTES = "journal_damaged_bytes"
LOST_FRAMES = "journal_lost_frames"
_COPY_BYTES = 1 << 20


class Replay:
    """The frames after `after_sequence` up to `through_sequence`, to be iterated once.

    Sequence numbers ascend strictly. A frame whose write had failed, was refused to its
    sender, came back all the same and was then sent again, comes once: of equal requests
    within `window_ns` the first one counts. `problems`, `losses`, `gaps` and `last_read`
    are complete when the iteration is. Damaged stretches are copied to `quarantine`, if one
    is given.
    """

    def __init__(
        self,
        files: Sequence[JournalFile],
        after_sequence: int,
        through_sequence: int | None,
        window_ns: int,
        quarantine: Path | None = None,
        may_vanish: bool = False,
    ) -> None:
        """`may_vanish`: skip a file that is gone, since only sealed ones are ever removed;
        else iterating raises FileNotFoundError."""
        self.problems: list[Problem] = []
        self.losses: Counter[str] = Counter()
        self.gaps: list[tuple[int, int]] = []  # first and last number that did not come
        self._files = files
        self._after = after_sequence
        self._through = through_sequence
        self._window_ns = window_ns
        self._quarantine = quarantine
        self._may_vanish = may_vanish
        self.last_read = after_sequence
        self._first_arrival: dict[bytes, int] = {}

    def __iter__(self) -> Iterator[Frame]:
        for file in self._files:
            if file.last_sequence is not None and file.last_sequence <= self._after:
                continue
            if self._through is not None and file.first_sequence > self._through:
                return
            try:
                fd = os.open(file.path, os.O_RDONLY)
            except FileNotFoundError:
                if not self._may_vanish:
                    raise
                continue
            except OSError as error:
                message = f"{file.path} cannot be read ({error.strerror}); it was left alone."
                self._report("journal_unreadable_file", message, Severity.LOSS)
                continue
            try:
                yield from self._frames_of(file, fd)
            finally:
                os.close(fd)

    def _frames_of(self, file: JournalFile, fd: int) -> Iterator[Frame]:
        size = os.fstat(fd).st_size
        if file.limit_bytes is not None:
            size = min(size, file.limit_bytes)
        pending: Stretch | None = None
        for piece in scan(fd, size, with_bodies=True):
            if isinstance(piece, Stretch):
                pending = piece
                continue
            if pending is not None:
                # What is damaged lies before this frame: sealed already, then nothing is lost.
                if piece.header.sequence_number - 1 > self._after:
                    self._report_stretch(file, fd, pending)
                pending = None
            if self._through is not None and piece.header.sequence_number > self._through:
                return
            if self._is_wanted(file, piece):
                assert piece.body is not None
                yield piece.header.with_body(piece.body)
        if pending is not None:
            self._report_stretch(file, fd, pending)

    def _is_wanted(self, file: JournalFile, found: Found) -> bool:
        header = found.header
        if header.sequence_number <= self._after:
            return False
        if header.sequence_number <= self.last_read:
            message = f"{file.path}: frame {header.sequence_number} comes twice; the first counts."
            self._report("journal_out_of_order", message, Severity.WARNING)
            return False
        if header.previous > self.last_read:
            lost = header.previous - self.last_read
            self.losses[LOST_FRAMES] += lost
            message = (
                f"{file.path}: up to {lost} acknowledged requests before number "
                f"{header.sequence_number} are missing from the journal."
            )
            self._report("journal_lost_frames", message, Severity.LOSS, lost)
        if header.sequence_number > self.last_read + 1:
            self.gaps.append((self.last_read + 1, header.sequence_number - 1))
        self.last_read = header.sequence_number
        if not header.has_time:
            return True
        first = self._first_arrival.get(header.request_hash)
        if first is not None and abs(header.arrival_unix_nano - first) <= self._window_ns:
            return False
        self._first_arrival[header.request_hash] = header.arrival_unix_nano
        return True

    def _report_stretch(self, file: JournalFile, fd: int, stretch: Stretch) -> None:
        count = stretch.end - stretch.start
        where = f"{file.path}, bytes {stretch.start} to {stretch.end}"
        if stretch.is_torn:
            message = (
                f"{where}: a write cut off by a crash, which nobody was told is kept, or the end "
                "of the file was lost. What came before it is complete."
            )
            self._report("journal_torn_tail", message, Severity.INFO)
            return
        self.losses[DAMAGED_BYTES] += count
        kept = self._set_aside(file, fd, stretch)
        message = f"{where}: {count} damaged bytes were skipped{kept}."
        self._report("journal_damaged", message, Severity.LOSS)

    def _set_aside(self, file: JournalFile, fd: int, stretch: Stretch) -> str:
        """Copy a damaged stretch to quarantine, once; how to go on with the message."""
        if self._quarantine is None:
            return ""
        copy = self._quarantine / f"{file.path.name}.{stretch.start}-{stretch.end}.damaged"
        try:
            if not copy.exists():
                self._quarantine.mkdir(mode=0o700, parents=True, exist_ok=True)
                with copy.open("xb") as out:
                    for at in range(stretch.start, stretch.end, _COPY_BYTES):
                        out.write(os.pread(fd, min(_COPY_BYTES, stretch.end - at), at))
        except OSError as error:
            return f" (no copy could be kept: {error.strerror})"
        return f"; a copy is kept in {copy}"

    def _report(self, code: str, message: str, severity: Severity, count: int = 1) -> None:
        self.problems.append(Problem(code, message, severity, count))


def read_frames(
    directory: Path,
    after_sequence: int,
    through_sequence: int | None = None,
    dedup_window_seconds: float = 900.0,
) -> Replay:
    """The frames in a journal directory, for another process while a server may be writing.

    Changes nothing. Iterating raises FileNotFoundError when the server released a file
    meanwhile: the manifest's `sealed_through` has moved, so read it again and start over.
    Compare it before and after even without an error, since a file may have gone before the
    directory was listed.
    """
    files, problems = journal_files(directory)
    window_ns = round(dedup_window_seconds * 1e9)
    replay = Replay(files, after_sequence, through_sequence, window_ns)
    replay.problems.extend(problems)
    return replay
