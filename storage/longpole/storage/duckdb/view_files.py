"""View files: what was worked out for the page of a big trace, a file for each trace.

    views/0af7651916cd43dd8448eb211c80319c-2.view    trace id, revision
    "LPVF" | CRC32 of the body, u32, little endian | body

A file that is damaged, or cut by a power cut, is as good as none: it can be made again. So nothing
is synced, the manifest does not know these files, and recovery need not look at them.
"""

from __future__ import annotations

import os
import re
import threading
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from longpole.model.clock import Clock
from longpole.model.ids import trace_id_hex

MAGIC = b"LPVF"
_HEAD = len(MAGIC) + 4
_NAME = re.compile(r"([0-9a-f]{32})-(\d{1,9})\.view")


@dataclass(frozen=True, slots=True)
class _File:
    revision: int
    byte_count: int
    stored_unix_nano: int


class ViewFiles:
    """The views of a data directory: up to `most_bytes`, none longer than `longest_ns`. Safe to use
    from any thread; only one process puts."""

    def __init__(self, folder: Path, clock: Clock, most_bytes: int, longest_ns: int) -> None:
        self._folder = folder
        self._clock = clock
        self._most_bytes = most_bytes
        self._longest_ns = longest_ns
        self._lock = threading.Lock()
        self._known: dict[int, _File] | None = None  # oldest first; read when first needed

    def put(self, trace_id: int, revision: int, view: bytes) -> None:
        """See `trace_parts.ViewShelf.put_view`."""
        size = _HEAD + len(view)
        with self._lock:
            known = self._files()
            self._forget(known, trace_id)
            if size > self._most_bytes:
                return
            held = sum(file.byte_count for file in known.values())
            while held + size > self._most_bytes:
                held -= self._forget(known, next(iter(known)))
            now = self._clock.now_unix_nano()
            try:
                self._write(self._path(trace_id, revision), view, now)
            except OSError as error:
                logger.debug("The view of a trace was not kept: {}", error)
                return
            known[trace_id] = _File(revision, size, now)

    def view(self, trace_id: int, revision: int) -> bytes | None:
        """See `trace_parts.TraceParts.view_of_trace`."""
        try:
            content = self._path(trace_id, revision).read_bytes()
        except OSError:
            return None
        body = memoryview(content)[_HEAD:]
        if content[:_HEAD] != MAGIC + zlib.crc32(body).to_bytes(4, "little"):
            return None
        return bytes(body)

    def sweep(self) -> None:
        """Delete what is older than data may be. Never raises."""
        before = self._clock.now_unix_nano() - self._longest_ns
        with self._lock:
            known = self._files()
            for trace_id in [t for t, file in known.items() if file.stored_unix_nano < before]:
                self._forget(known, trace_id)

    def _path(self, trace_id: int, revision: int) -> Path:
        return self._folder / f"{trace_id_hex(trace_id)}-{revision}.view"

    def _write(self, path: Path, view: bytes, now: int) -> None:
        unfinished = path.with_suffix(".tmp")
        try:
            with open(unfinished, "wb") as file:
                file.write(MAGIC + zlib.crc32(view).to_bytes(4, "little"))
                file.write(view)
            os.utime(unfinished, ns=(now, now))
            os.replace(unfinished, path)
        except OSError:
            with suppress(OSError):
                unfinished.unlink()
            raise

    def _forget(self, known: dict[int, _File], trace_id: int) -> int:
        """The bytes that it took."""
        file = known.pop(trace_id, None)
        if file is None:
            return 0
        with suppress(OSError):
            self._path(trace_id, file.revision).unlink()
        return file.byte_count

    def _files(self) -> dict[int, _File]:
        if self._known is None:
            self._known = {}
            for trace_id, file in sorted(self._found(), key=lambda f: f[1].stored_unix_nano):
                self._forget(self._known, trace_id)  # of two revisions the newer one stays
                self._known[trace_id] = file
        return self._known

    def _found(self) -> list[tuple[int, _File]]:
        """What lies there; what a crash left unfinished is deleted."""
        found = []
        with suppress(OSError):
            for path in list(self._folder.iterdir()):
                name = _NAME.fullmatch(path.name)
                with suppress(OSError):
                    if name is None:
                        path.unlink()
                        continue
                    state = path.stat()
                    file = _File(int(name[2]), state.st_size, state.st_mtime_ns)
                    found.append((int(name[1], 16), file))
        return found
