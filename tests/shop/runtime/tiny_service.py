"""A service of two routes as a process: `/who` answers at once, `/slow` when a file appears.
It starts when the file `hold` is gone."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import NoReturn

from fastapi import FastAPI

from shop.chassis.chassis import Chassis, Parts
from shop.chassis.process import end_process, serve_service, stop_on_signals
from shop.chassis.settings import Settings


def build(chassis: Chassis) -> Parts:
    """`/slow` says that it began with a file, too. All files are in the data folder."""
    app = FastAPI()
    folder = chassis.settings.data_dir

    @app.get("/who")
    def who() -> str:
        logging.getLogger("tiny").info("asked")
        return chassis.settings.instance_id

    @app.get("/slow")
    def slow() -> str:
        (folder / "began").touch()
        deadline = time.monotonic() + 20
        while not (folder / "go").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return "done"

    def note(word: str) -> None:
        with (folder / "notes").open("a") as file:
            file.write(word + "\n")

    def start() -> None:
        (folder / "starting").touch()
        deadline = time.monotonic() + 20
        while (folder / "hold").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        note("start")

    return Parts(
        app=app,
        ready_checks=(lambda: "" if (folder / "ready").exists() else "the file",),
        on_start=(start,),
        on_stop=(lambda: note("stop"),),
    )


def main() -> NoReturn:
    """Serve until SIGTERM."""
    stop = threading.Event()
    stop_on_signals(stop)
    settings = Settings.from_environment()
    assert isinstance(settings.data_dir, Path)
    serve_service(settings, build, stop)
    end_process(0)


if __name__ == "__main__":
    main()
