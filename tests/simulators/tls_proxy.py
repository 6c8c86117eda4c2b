"""TLS in front of a plain TCP server, for servers that are built without it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from typing import Self


class TlsProxy:
    """Listens on a free port of 127.0.0.1, and hands what it decrypts to a port there.

    Args:
        port: Of the plain server.
        certificate: PEM file with the proxy's private key and certificate.
    """

    def __init__(self, port: int, certificate: Path) -> None:
        self._target = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening, and cut all connections."""
        self._listening.close()
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                raw, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        self._open.add(raw)
        with contextlib.suppress(OSError), raw:  # who does not like the certificate hangs up
            near = self._context.wrap_socket(raw, server_side=True)
            with near, socket.create_connection(("127.0.0.1", self._target)) as far:
                self._open |= {near, far}
                thread = threading.Thread(target=_copy, args=(far, near), daemon=True)
                thread.start()
                _copy(near, far)
                thread.join()
                self._open -= {near, far}
        self._open.discard(raw)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
