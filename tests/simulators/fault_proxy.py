"""A small TCP proxy that breaks connections the way networks and stores do."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import threading
import time

CHUNK = 65_536
_METHODS = {b"GET", b"PUT", b"HEAD", b"DELETE", b"POST"}


class FaultProxy:
    """Listens on 127.0.0.1 and passes connections on to a port, as `mode` says.

    Modes:
        ``pass``: as they are.
        ``refuse``: close each connection at once.
        ``delay``: answer after `seconds`.
        ``drip``: pass the answer on one byte at a time, `seconds` apart.
        ``cut``: pass `count` bytes of the answer on, then close.
        ``status``: answer every request with `status` without passing it on.
        ``lose-answer``: pass the request on, then answer with `status` instead of the real answer.
        ``silent``: accept and never answer.
        ``garble``: change some bytes of the answer.

    Args:
        port: The server's; `upstream` may be changed while the proxy runs, when the server got another one.
        http: Whether requests are told apart by HTTP's methods. Without, everything that a client sends is a request.
    """

    def __init__(self, port: int, *, http: bool = True) -> None:
        self.upstream = port
        self._http = http
        self._dice = random.Random(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.mode = "pass"
        self.seconds = 0.0
        self.count = 0
        self.status = 503
        self.only = b""
        """Requests that do not start with this are passed on as they are."""
        self.connections = 0
        self.requests = 0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def set(self, mode: str, *, seconds: float = 0.0, count: int = 0, status: int = 503, only: bytes = b"") -> None:
        self.seconds, self.count, self.status, self.only = seconds, count, status, only
        self.mode = mode

    def close(self) -> None:
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            if self.mode == "refuse":
                return
            with socket.create_connection(("127.0.0.1", self.upstream)) as upstream:
                self._exchange(client, upstream)

    def _exchange(self, client: socket.socket, upstream: socket.socket) -> None:
        """Pass requests and answers on; the mode is looked at anew for each request of a kept-alive connection."""
        mode = "pass"
        while not self._closed.is_set():
            readable, _, _ = select.select([client, upstream], [], [], 0.2)
            if client in readable:
                data = client.recv(CHUNK)
                if not data:
                    return
                # HTTP, or Redis: a command is an array.
                if data.split(b" ", 1)[0] in {b"GET", b"PUT", b"HEAD", b"DELETE", b"POST"} or data.startswith(b"*"):
                    self.requests += 1
                    mode = self.mode if data.startswith(self.only) else "pass"
                if mode == "refuse":
                    return
                if mode == "status":
                    client.sendall(_answer(self.status) if self._http else b"-ERR simulated\r\n")
                    return
                if mode != "silent":
                    upstream.sendall(data)
            if upstream in readable:
                data = upstream.recv(CHUNK)
                if not data or not self._answer(client, data, mode):
                    return

    def _answer(self, client: socket.socket, data: bytes, mode: str) -> bool:
        if data.startswith(b"HTTP/1.1 100"):
            client.sendall(data)
            return True
        if mode == "delay":
            self._closed.wait(self.seconds)
        elif mode == "drip":
            for byte in data:
                if self._closed.is_set():
                    return False
                client.sendall(bytes([byte]))
                time.sleep(self.seconds)
            return True
        elif mode == "cut":
            client.sendall(data[: self.count])
            return False
        elif mode == "garble":
            data = bytes(byte ^ 0x2A if self._dice.random() < 0.02 else byte for byte in data)
        elif mode == "lose-answer":
            client.sendall(_answer(self.status))
            return False
        client.sendall(data)
        return True


def _answer(status: int) -> bytes:
    code = {412: "PreconditionFailed", 409: "ConditionalRequestConflict", 503: "SlowDown", 500: "InternalError"}
    body = f"<Error><Code>{code.get(status, 'Fault')}</Code><Message>simulated</Message></Error>".encode()
    head = f"HTTP/1.1 {status} Simulated\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body
