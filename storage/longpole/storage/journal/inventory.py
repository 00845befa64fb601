"""The files of a journal directory: which are ours, in which order, and what they cover."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from longpole.model.problem import Problem

_NAME = re.compile(r"(\d{20})\.journal")
MAX_SEQUENCE_NUMBER = (1 << 40) - 1  # a row id has room for 40 bits of it


@dataclass(frozen=True, slots=True)
class JournalFile:
    """A file that holds no frame before `first_sequence` nor after `last_sequence` (None:
    the newest file, whose end its name does not tell). `limit_bytes`: read no further."""

    path: Path
    first_sequence: int
    last_sequence: int | None = None
    limit_bytes: int | None = None


def file_path(directory: Path, first_sequence: int) -> Path:
    """Where the file lives that begins with this sequence number."""
    return directory / f"{first_sequence:020d}.journal"


def journal_files(directory: Path) -> tuple[list[JournalFile], list[Problem]]:
    """The files in order of their frames; what else lies there is a problem and is left
    alone. A missing directory has no files."""
    numbered: list[tuple[int, Path]] = []
    problems: list[Problem] = []
    for path in sorted(_entries(directory)):
        match = _NAME.fullmatch(path.name)
        if match is None or int(match[1]) > MAX_SEQUENCE_NUMBER:
            message = f"{path} is no file of the journal; it was left alone."
            problems.append(Problem("journal_foreign_file", message))
        elif not path.is_file():
            message = f"{path} should be a file of the journal but is none; it was left alone."
            problems.append(Problem("journal_unreadable_file", message))
        else:
            numbered.append((int(match[1]), path))
    # A file ends before the next one begins.
    ends: list[int | None] = [*(first - 1 for first, _ in numbered[1:]), None]
    files = [
        JournalFile(path, first, end) for (first, path), end in zip(numbered, ends, strict=False)
    ]
    return files, problems


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable. Raises OSError."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _entries(directory: Path) -> Iterator[Path]:
    try:
        yield from directory.iterdir()
    except FileNotFoundError:
        return
