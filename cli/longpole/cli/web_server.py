"""The web port, served by uvicorn in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING

from longpole.collector.accept_errors import wait_quietly_for_file_handles

if TYPE_CHECKING:
    import uvicorn

    from longpole.dashboards.security import App


class WebServer:
    """Serves one ASGI app on a bound socket until `stop`."""

    def __init__(self, app: App, listener: socket.socket) -> None:
        self._listener = listener
        self._app = app
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to answer."""
        import uvicorn

        config = uvicorn.Config(
            self._app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            ws="wsproto",
            # Nothing is expected from clients.
            ws_max_size=1 << 16,
            # Headers of a proxy in front are not believed: nothing here depends on them.
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._serve(self._server),), name="web", daemon=True
        )
        self._thread.start()

    async def _serve(self, server: uvicorn.Server) -> None:
        wait_quietly_for_file_handles(asyncio.get_running_loop())
        await server.serve(sockets=[self._listener])

    def stop(self) -> None:
        """Finish what is being answered, for a few seconds at most."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(10)
        self._listener.close()
