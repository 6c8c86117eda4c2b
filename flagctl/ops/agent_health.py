"""How an agent shows that it is well: a small HTTP server for probes, and a file that is replaced."""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, final

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flagctl.ops.agent import AgentState


@final
class HealthServer:
    """Answers ``GET /healthz`` with the agent's state: 200 if all is well, 503 if not.

    Args:
        host: Address to listen on.
        port: Port; 0 takes a free one.
        state: Returns the state.

    Raises:
        UsageError: If the address cannot be used.
    """

    def __init__(self, host: str, port: int, state: Callable[[], AgentState]) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = 5.0

            def do_GET(self) -> None:
                if self.path.partition("?")[0] not in {"/", "/healthz", "/readyz"}:
                    self.send_error(404)
                    return
                now = state()
                body = json.dumps(now.to_dict()).encode()
                self.send_response(200 if now.healthy else 503)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing: probes come every few seconds."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise UsageError(f"{host}:{port} cannot be listened on: {error.strerror}") from None
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="flagctl-health", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()


def write_state(path: Path, state: AgentState) -> None:
    """Replace a file with the agent's state as JSON.

    Raises:
        OSError: If it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(state.to_dict()) + "\n", encoding="utf-8")
    temporary.replace(path)
