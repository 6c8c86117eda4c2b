"""A real HTTPS server on this machine with a certificate of a CA made for the test, serving a folder as a CDN would."""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


def make_authority(folder: Path, *, host: str = "127.0.0.1", valid: bool = True) -> tuple[Path, Path]:
    """Write a CA's certificate, and a server's certificate with its key; return the paths of the two files."""
    folder.mkdir(parents=True, exist_ok=True)
    now = dt.datetime.now(dt.UTC)
    until = now + dt.timedelta(days=1) if valid else now - dt.timedelta(days=1)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Throw-away CA")])
    ca = _certificate(ca_name, ca_name, ca_key.public_key(), until + dt.timedelta(days=2))
    ca = ca.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    ca = ca.add_extension(_usage(ca=True), critical=True)
    ca = ca.add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
    leaf = _certificate(x509.Name([]), ca_name, key.public_key(), until)
    leaf = leaf.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=True)
    leaf = leaf.add_extension(_usage(ca=False), critical=True)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    leaf = leaf.add_extension(authority, critical=False)
    ca_file, server_file = folder / "ca.pem", folder / "server.pem"
    ca_file.write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    server_file.write_bytes(private + leaf.sign(ca_key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return ca_file, server_file


def _certificate(subject, issuer, public_key, until) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - dt.timedelta(days=10))
        .not_valid_after(until)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


class WebServer:
    """Serves a folder with ETags under ``/flags``.

    Modes: ``pass``; ``status`` (answers `status`); ``redirect`` (to `location`); ``drip`` (a byte each 0.05 s); ``cut`` (half
    of the body, then closes); ``no-etag``; ``no-length``; ``close`` (after each answer, without saying so).
    """

    def __init__(self, folder: Path, certificate: Path | None = None) -> None:
        self.folder, self.mode, self.status, self.location = folder, "pass", 503, ""
        self.requests: list[tuple[str, str | None]] = []
        self.connections = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                outer.connections += 1
                super().setup()

            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.port = self.server.server_address[1]
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.url = f"{'http' if certificate is None else 'https'}://127.0.0.1:{self.port}/flags"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append((request.path, request.headers.get("If-None-Match")))
        if self.mode == "status":
            return self.send(request, self.status, b"no")
        if self.mode == "redirect":
            return self.send(request, 302, b"", {"Location": self.location})
        file = self.folder / request.path.partition("?")[0].removeprefix("/flags/").removeprefix("/elsewhere/")
        if not file.is_file():
            return self.send(request, 404, b"none")
        data = file.read_bytes()
        tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        if request.headers.get("If-None-Match") == tag and self.mode != "no-etag":
            return self.send(request, 304, b"", {"ETag": tag})
        return self.send(request, 200, data, {} if self.mode == "no-etag" else {"ETag": tag})

    def send(self, request, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        request.send_response(status)
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        if self.mode == "no-length":
            request.send_header("Connection", "close")
        elif status != 304:
            request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        if self.mode == "drip":
            for byte in data:
                request.wfile.write(bytes([byte]))
                time.sleep(0.05)
        else:
            request.wfile.write(data[: len(data) // 2] if self.mode == "cut" else data)
        if self.mode in {"cut", "no-length", "close"}:
            request.close_connection = True

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)
