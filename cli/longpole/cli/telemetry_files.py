"""Reads telemetry files (`-` is standard input) in any format that is understood."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from longpole.cli.exit_codes import NotFound, Refused
from longpole.formats import files
from longpole.model.problem import LongpoleError
from longpole.model.telemetry import Telemetry


def content_of(file: Path) -> bytes:
    """The bytes of a file. Raises `NotFound` or `Refused` with the reason."""
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no file {file}") from None
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from None


def named(file: Path) -> str:
    """The file as messages call it."""
    return "standard input" if str(file) == "-" else str(file)


def telemetry_in(file: Path, content: bytes) -> Iterator[Telemetry]:
    """What the content of a file holds. Raises `Refused`, with the file's name, for one in no
    known format."""
    try:
        yield from files.read(named(file), content)
    except LongpoleError as error:
        raise Refused(str(error)) from None
