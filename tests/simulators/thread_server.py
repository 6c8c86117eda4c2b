"""A web application of ours on this machine, in a thread of the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from flagctl.server.web.serving import Listen, address_of, bind, make_server


class ThreadServer:
    """Serves from the moment it is made until `stop`; `url` says where, and `server` may be looked at."""

    def __init__(self, make_app: Callable[..., Any], listen: Listen) -> None:
        self._make_app, self._listen = make_app, listen
        self._socket = bind(listen)
        self.url = address_of(self._socket)
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._started.wait(20)

    async def _serve(self) -> None:
        self.server = make_server(self._make_app, self._listen)
        task = asyncio.create_task(self.server.serve(sockets=[self._socket]))
        while not self.server.started and not task.done():  # noqa: ASYNC110 - uvicorn only has a flag
            await asyncio.sleep(0.005)
        self._started.set()
        await task

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._socket.close()
