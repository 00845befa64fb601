"""A real PostgreSQL for tests: a fresh cluster on a socket of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.flow.tools import requires

# Debian keeps the server's programs out of the PATH.
PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server for the time of the block; its SQLAlchemy URL. Skips where there is none."""
    programs = PLACES[-1] if PLACES else Path("/usr/lib/postgresql")
    requires("sh", programs / "postgres")
    # PostgreSQL refuses to run as root.
    owner = "postgres" if os.getuid() == 0 else getpass.getuser()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if os.getuid() == 0:
        shutil.chown(folder, owner, owner)
    data = folder / "data"

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [programs / program, "-D", data, *arguments],
            check=True,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            user=owner if os.getuid() == 0 else None,
        )

    try:
        run("initdb", "--no-sync", "--auth=trust", "--username=shop", "--encoding=UTF8")
        options = f"-c fsync=off -c listen_addresses='' -c unix_socket_directories='{folder}'"
        run("pg_ctl", "-w", "-s", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql://shop@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-w", "-s", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
