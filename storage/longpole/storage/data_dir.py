"""The data directory: where everything lies, and who owns it.

Owning is a `flock` on the file `lock`: the kernel gives it back when the owner dies, however
it dies, so a file left behind by a dead process is no obstacle.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from longpole.model.problem import LongpoleError

_RETRY_SECONDS = 0.01
_RETRIES = 50
_OUR_FILES = ("lock", "manifest.sqlite")
_OUR_DIRECTORIES = ("journal", "segments", "quarantine", "tmp", "views")


@dataclass(frozen=True, slots=True)
class LockInfo:
    """Who owns a data directory. `addresses` maps `grpc`, `http`, `web` to host:port, as far
    as they are bound yet; `pid` is 0 when the owner has not said."""

    pid: int
    addresses: Mapping[str, str] = field(default_factory=dict)


class DataDirLocked(LongpoleError):
    """Another process owns the data directory."""

    def __init__(self, path: Path, owner: LockInfo) -> None:
        at = "".join(f", {name} {address}" for name, address in owner.addresses.items())
        who = f"process {owner.pid}" if owner.pid else "another process"
        super().__init__(
            f"The data directory {path} is in use by {who}{at}. Stop it, ask it with --url, or "
            "choose another directory with --data-dir."
        )
        self.pid = owner.pid
        self.addresses = owner.addresses


class DataDirRefused(LongpoleError):
    """The path cannot be a data directory; nothing in it was changed."""


class DataDir:
    """A data directory and its layout. Creating one touches no disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    @property
    def lock_path(self) -> Path:
        return self.path / "lock"

    @property
    def manifest_path(self) -> Path:
        return self.path / "manifest.sqlite"

    @property
    def journal(self) -> Path:
        return self.path / "journal"

    @property
    def segments(self) -> Path:
        return self.path / "segments"

    @property
    def quarantine(self) -> Path:
        return self.path / "quarantine"

    @property
    def tmp(self) -> Path:
        return self.path / "tmp"

    @property
    def views(self) -> Path:
        return self.path / "views"

    @property
    def exists(self) -> bool:
        """Whether a server ever ran here: there is a manifest or a journal."""
        return self.manifest_path.is_file() or self.journal.is_dir()

    def create(self) -> None:
        """Make the directory and its parts, readable by their owner only; what is there
        stays as it is. Raises `DataDirRefused`."""
        self._refuse_what_is_not_ours()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in _OUR_DIRECTORIES:
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise self._unusable(PermissionError(errno.EACCES, os.strerror(errno.EACCES)))

    def lock(self, addresses: Mapping[str, str]) -> None:
        """Own the directory until `unlock` or the end of the process; `create` included.

        Raises `DataDirLocked` while another process owns it, `DataDirRefused` when it cannot
        be a data directory.
        """
        if self._fd >= 0:
            raise DataDirLocked(self.path, _read_owner(self._fd) or LockInfo(os.getpid()))
        self.create()
        try:
            fd = os.open(self.lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable(error) from error
        # `read_lock` of somebody else holds a shared lock for an instant: try for a while.
        for _ in range(_RETRIES):
            if _try_flock(fd, fcntl.LOCK_EX):
                self._fd = fd
                self.publish(addresses)
                return
            time.sleep(_RETRY_SECONDS)
        owner = _read_owner(fd) or LockInfo(0)
        os.close(fd)
        raise DataDirLocked(self.path, owner)

    def publish(self, addresses: Mapping[str, str]) -> None:
        """Tell other processes where the owner listens, once ports are bound. Raises
        `DataDirRefused` when the disk refuses, ValueError when we are not the owner."""
        if self._fd < 0:
            raise ValueError(f"{self.path} is not locked by this process")
        content = json.dumps({"pid": os.getpid(), **addresses}).encode() + b"\n"
        try:
            # Written before it is cut: a reader in between sees text that does not parse
            # and reads again.
            os.pwrite(self._fd, content, 0)
            os.ftruncate(self._fd, len(content))
        except OSError as error:
            raise self._unusable(error) from error

    def unlock(self) -> None:
        """Give the directory back. A second call has no effect."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with suppress(OSError):
                os.ftruncate(fd, 0)
            os.close(fd)

    def read_lock(self) -> LockInfo | None:
        """Who owns the directory; None when nobody does or there is none. Changes nothing.
        Raises `DataDirRefused` when the lock file cannot be read."""
        try:
            fd = os.open(self.lock_path, os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unusable(error) from error
        try:
            for _ in range(_RETRIES):
                if _try_flock(fd, fcntl.LOCK_SH):
                    return None
                owner = _read_owner(fd)
                if owner is not None:
                    return owner
                time.sleep(_RETRY_SECONDS)  # the owner is about to write its line
            return LockInfo(0)
        finally:
            os.close(fd)

    def _refuse_what_is_not_ours(self) -> None:
        if os.path.lexists(self.path) and not self.path.is_dir():
            raise DataDirRefused(
                f"{self.path} is not a directory. Choose another one with --data-dir."
            )
        for names, is_right, noun in (
            (_OUR_FILES, Path.is_file, "file"),
            (_OUR_DIRECTORIES, Path.is_dir, "directory"),
        ):
            for name in names:
                part = self.path / name
                if os.path.lexists(part) and not is_right(part):
                    raise DataDirRefused(
                        f"{part} should be a {noun} but is none, so {self.path} seems to belong "
                        "to something else; nothing was changed. Choose another directory with "
                        "--data-dir."
                    )

    def _unusable(self, error: OSError) -> DataDirRefused:
        return DataDirRefused(
            f"The data directory {self.path} cannot be used: {error.strerror}. Make it writable "
            "for this user or choose another one with --data-dir."
        )


def _try_flock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_owner(fd: int) -> LockInfo | None:
    """What the lock file says; None when it does not (yet) parse."""
    try:
        content = json.loads(os.pread(fd, 65536, 0))
        pid = content.pop("pid")
        if isinstance(pid, int):
            return LockInfo(pid, {str(name): str(at) for name, at in content.items()})
    except (ValueError, AttributeError, KeyError):
        pass
    return None
