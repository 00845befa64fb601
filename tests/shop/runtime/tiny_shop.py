"""A supervisor over three programs that do nothing, to be killed in every way.

Prints one JSON line with the pids and the address of the one whose socket is held, then keeps
them running. `stubborn` does not stop when it is asked to.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI

from shop.chassis.process import Endpoints, listen_on, serve_app
from shop.children import Nursery, Program
from shop.supervisor import StartError, Supervisor
from shop.topology import ProcessPlan


def program_of(plan: ProcessPlan, held: socket.socket | None) -> Program:
    """`web` serves, `calm` waits, `stubborn` waits for ever, `broken` ends before it is ready."""

    def web(stop: threading.Event, announce: Callable[[Endpoints], None]) -> None:
        app = FastAPI()
        app.get("/")(lambda: "here")
        assert held is not None
        serve_app(app, held, stop, announce, 1.0)

    def calm(stop: threading.Event, announce: Callable[[Endpoints], None]) -> None:
        announce(Endpoints("nowhere"))
        stop.wait()

    def stubborn(_stop: threading.Event, announce: Callable[[Endpoints], None]) -> None:
        announce(Endpoints("nowhere"))
        threading.Event().wait()

    def broken(_stop: threading.Event, _announce: Callable[[Endpoints], None]) -> None:
        raise ValueError("the disk is on fire")

    return {"web": web, "calm": calm, "stubborn": stubborn, "broken": broken}[plan.program]


def main(folder: str, *programs: str) -> int:
    """Run these programs until a signal; 1 when one did not start."""
    nursery = Nursery(Path(folder))
    listener = listen_on("127.0.0.1:0")
    nursery.hold("web", listener)
    supervisor = Supervisor(nursery, program_of)
    try:
        supervisor.start(ProcessPlan(name, name, {}) for name in programs)
        supervisor.wait_ready(programs)
        pids = {name: child.pid for name, child in supervisor.children.items()}
        port = listener.getsockname()[1]
        print(json.dumps({"pids": pids, "url": f"http://127.0.0.1:{port}"}), flush=True)
        supervisor.watch()
        supervisor.stop(list(programs), seconds=0.3)
        print(json.dumps(supervisor.restarts), flush=True)
    except StartError as error:
        print(json.dumps(str(error)), flush=True)
        return 1
    finally:
        supervisor.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
