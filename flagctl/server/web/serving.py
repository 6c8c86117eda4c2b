"""Runs an application with uvicorn: one process or several, and an end that loses no request.

The end, after SIGTERM: health checks say "draining" and every answer asks its client to close the connection, while new
connections are still taken (`Listen.drain_seconds`, for whoever routes requests here to notice); then the listener closes,
requests in progress are answered, streams end. After SIGINT the first part is skipped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from flagctl.errors import UsageError
from flagctl.server.web.connections import HEAD_SECONDS, timed_protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

    from starlette.types import ASGIApp

_log = logging.getLogger("flagctl.server")

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where and how to listen.

    Attributes:
        host: Address or name.
        port: Port; 0 takes a free one.
        drain_seconds: From SIGTERM to the end of listening.
        grace_seconds: From then on until requests that are still being answered are cut off.
        head_seconds: For a client to send a request's head.
        connections: At once; above, requests get 503.
    """

    host: str = "127.0.0.1"
    port: int = 8016
    drain_seconds: float = 1.0
    grace_seconds: int = 30
    head_seconds: float = HEAD_SECONDS
    connections: int = 8192


class Ending:
    """Tells the parts of a server that it is about to end."""

    def __init__(self) -> None:
        self.begun = False
        self.event = asyncio.Event()

    def begin(self) -> None:
        """Say so; on the loop's thread."""
        self.begun = True
        self.event.set()


class DrainingServer(uvicorn.Server):
    """uvicorn's server with the end described above.

    Args:
        config: uvicorn's configuration.
        ending: Told when the end begins.
        drain_seconds: See `Listen`.
    """

    def __init__(self, config: uvicorn.Config, ending: Ending, drain_seconds: float) -> None:
        super().__init__(config)
        self._ending = ending
        self._drain_seconds = drain_seconds
        self.interrupted = False

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then shut down."""
        self._ending.begin()
        if not self.interrupted:
            _log.info("draining for %g s", self._drain_seconds)
            deadline = asyncio.get_running_loop().time() + self._drain_seconds
            while not self.force_exit and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - a signal's flag
                await asyncio.sleep(0.05)
            await self._accept_the_rest(sockets or ())
        await super().shutdown(sockets)

    async def _accept_the_rest(self, sockets: Iterable[socket.socket]) -> None:
        """Stop listening, and take what the kernel has already let in: closing a listener resets those connections."""
        loop = asyncio.get_running_loop()
        waiting = []
        for listening in sockets:
            with contextlib.suppress(NotImplementedError, RuntimeError):  # loops that do not let us do this
                loop.remove_reader(listening.fileno())
                with contextlib.suppress(OSError):
                    while True:
                        waiting.append(listening.accept()[0])
        for server in self.servers:
            server.close()
        for connection in waiting:
            connection.setblocking(False)
            await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Listen to signals; unlike uvicorn's, raise none again: having ended well is a success."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the end; a second SIGINT ends at once."""
        if sig == signal.SIGINT:
            self.interrupted = True
        super().handle_exit(sig, frame)


def bind(listen: Listen) -> socket.socket:
    """Open the socket to listen on.

    Raises:
        UsageError: If the address cannot be used.
    """
    opened = None
    try:
        family, _, _, _, address = socket.getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # The protocol is named because asyncio switches Nagle's delay off only where it is; without, answers on a
        # connection that is used again take 40 ms.
        opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        if os.name != "nt":
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
    except OSError as error:
        if opened is not None:
            opened.close()
        raise UsageError(
            f"cannot listen on {listen.host} port {listen.port}: {error.strerror}", hint="another --host or --port"
        ) from error
    opened.set_inheritable(True)
    return opened


def address_of(listening: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run_worker(make_app: Callable[[Ending], ASGIApp], listening: socket.socket, listen: Listen) -> bool:
    """Serve in this process until a signal; return whether it was SIGINT.

    Raises:
        UsageError: If the application does not start.
    """
    interrupted = False

    async def serve() -> None:
        nonlocal interrupted
        server = make_server(make_app, listen)
        await server.serve(sockets=[listening])
        interrupted = server.interrupted

    try:
        asyncio.run(serve())
    except SystemExit as error:
        if error.code not in (0, None):
            raise UsageError("the server did not start; its log says why") from error
    return interrupted


def make_server(make_app: Callable[[Ending], ASGIApp], listen: Listen) -> DrainingServer:
    """Return a server; on the loop that it is going to run on."""
    ending = Ending()
    config = uvicorn.Config(
        make_app(ending),
        http=timed_protocol(listen.head_seconds),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=listen.connections,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=listen.grace_seconds,
    )
    return DrainingServer(config, ending, listen.drain_seconds)
