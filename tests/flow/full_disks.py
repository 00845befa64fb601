"""Three ways to have a full disk: below the reserve, writes that fail, and a file system of
48 MiB (for root only)."""

from __future__ import annotations

import os
import resource
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path

import pytest

from tests.flow.server_process import ServerProcess

GIB = 1 << 30


class FullDisk(ABC):
    """Starts a server on a disk that `fill` fills and `free` empties again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data_dir = folder / "data"

    def arguments(self) -> list[str]:
        """What the server is told."""
        return ["--min-free-bytes", "0"]

    @abstractmethod
    def fill(self, server: ServerProcess) -> None: ...

    @abstractmethod
    def free(self, server: ServerProcess) -> None: ...

    @abstractmethod
    def remove(self) -> None:
        """Give back what was set up."""


class Reserve(FullDisk):
    """Another file takes what `--min-free-bytes` says must stay free: nothing ever fails. The
    file is big, so that what else goes on on this machine makes no difference."""

    def arguments(self) -> list[str]:
        room = os.statvfs(self.folder)
        free = room.f_bavail * room.f_frsize
        self._size = min(2 * GIB, free // 2)
        return ["--min-free-bytes", str(free - self._size // 2)]

    def fill(self, server: ServerProcess) -> None:
        with (self.folder / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, self._size)

    def free(self, server: ServerProcess) -> None:
        (self.folder / "filler").unlink()

    def remove(self) -> None:
        (self.folder / "filler").unlink(missing_ok=True)


class Limit(FullDisk):
    """The kernel fails every write beyond the first bytes of a file (EFBIG), of the journal, the
    segments and the manifest alike."""

    def fill(self, server: ServerProcess) -> None:
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (512, hard))

    def free(self, server: ServerProcess) -> None:
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))

    def remove(self) -> None:
        """The limit ends with the server."""


class SmallDisk(FullDisk):
    """A file system in memory, filled to the last byte: ENOSPC."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "disk")
        self.folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(self.folder)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")

    def fill(self, server: ServerProcess) -> None:
        with (self.folder / "filler").open("wb", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def free(self, server: ServerProcess) -> None:
        (self.folder / "filler").unlink()

    def remove(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=False)
