"""Requests a second that one process of `flagctl serve` answers with ten thousand flags, and what each costs it in CPU.

The server is a process of its own that follows a file remote; requests come from this one, over connections that stay open.
CPU is the server's alone, from the kernel's account, so that it holds on a busy machine, too.

Usage: python benchmarks/bench_serve.py [flags] [workers]
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent))

from repositories import publish_flags

BULK = "/ofrep/v1/evaluate/flags"
CONNECTIONS = 8


@contextlib.contextmanager
def running(folder: Path, flags: int, workers: int):  # noqa: ANN201
    """Run the server; yield its port and its processes."""
    published = publish_flags(folder, flags)
    (folder / "trust.json").write_bytes(published.trust)
    words = ["--remote", published.target.remote.url, "--env", published.target.environment]
    words += ["--trust", str(folder / "trust.json"), "--port", "0"]
    words += ["--workers", str(workers), "--no-access-log", "--log-format", "json", "--drain", "0"]
    server = subprocess.Popen([sys.executable, "-m", "flagctl", "serve", *words], stderr=subprocess.PIPE, text=True)
    try:
        found = None
        while found is None:
            found = re.search(r'"url": "http://[^:]+:(\d+)"', server.stderr.readline())
        port = int(found[1])
        while not is_ready(port):
            time.sleep(0.1)
        own = psutil.Process(server.pid)
        yield port, [own, *own.children()]
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)


def is_ready(port: int) -> bool:
    try:
        return b" 200 " in ask(port, [("GET", "/readyz", b"", {})])[0][:20]
    except ConnectionError:
        return False  # its workers are starting


def request_bytes(method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += ["Content-Type: application/json", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answer_of(connection: socket.socket) -> bytes:
    data = bytearray()
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += connection.recv(1 << 20)
    length = re.search(rb"(?i)content-length: (\d+)", data[:end])
    total = end + 4 + (int(length[1]) if length and b" 304 " not in data[:20] else 0)
    while len(data) < total:
        data += connection.recv(1 << 20)
    return bytes(data)


def ask(port: int, requests) -> list[bytes]:  # noqa: ANN001
    with socket.create_connection(("127.0.0.1", port)) as connection:
        answers = []
        for request in requests:
            connection.sendall(request_bytes(*request))
            answers.append(answer_of(connection))
        return answers


def cpu_of(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def measure(name: str, port: int, processes, make, count: int) -> None:  # noqa: ANN001
    """Ask `count` times over several connections; print the rate and the server's CPU for each request."""
    shares = [[make(number) for number in range(start, count, CONNECTIONS)] for start in range(CONNECTIONS)]
    codes: list[int] = []
    sizes: list[int] = []

    def work(requests) -> None:  # noqa: ANN001
        for answer in ask(port, requests):
            codes.append(int(answer[9:12]))
            sizes.append(len(answer))

    threads = [threading.Thread(target=work, args=(share,)) for share in shares if share]
    cpu, begun = cpu_of(processes), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, used = time.perf_counter() - begun, cpu_of(processes) - cpu
    found = sorted(set(codes))
    print(
        f"{name:44} {count / seconds:9.0f} /s  {used / count * 1000:8.3f} ms CPU each  "
        f"{sum(sizes) / count / 1024:9.1f} kB  {found}"
    )


def main(flags: int, workers: int) -> None:
    print(f"{flags} flags, {workers} worker(s), {os.cpu_count()} cores")

    def context(number: int) -> bytes:
        attributes = {"targetingKey": f"user-{number}", "country": "DE", "plan": "pro", "seats": number}
        return json.dumps({"context": attributes}).encode()

    with tempfile.TemporaryDirectory() as folder, running(Path(folder), flags, workers) as (port, processes):
        first = time.perf_counter()
        answer = ask(port, [("POST", BULK, context(0), {})])[0]
        print(f"first request for all flags: {(time.perf_counter() - first) * 1000:.0f} ms")
        etag = re.search(rb'(?i)etag: ("[^"]+")', answer)[1].decode()
        keys = [flag["key"] for flag in json.loads(answer.partition(b"\r\n\r\n")[2])["flags"]]
        for number in range(30 * workers):  # flags that are asked for often are compiled
            ask(port, [("POST", BULK, context(number), {})])

        def single(number: int) -> tuple:
            return ("POST", f"{BULK}/{keys[number % len(keys)]}", context(number), {})

        measure("health", port, processes, lambda _: ("GET", "/healthz", b"", {}), 4000)
        measure("one flag", port, processes, single, 8000)
        measure(
            "all flags, a context never seen", port, processes, lambda n: ("POST", BULK, context(10_000 + n), {}), 64
        )
        measure("all flags, a context seen before", port, processes, lambda _: ("POST", BULK, context(0), {}), 400)
        measure(
            "all flags, If-None-Match",
            port,
            processes,
            lambda _: ("POST", BULK, context(0), {"If-None-Match": etag}),
            4000,
        )


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 10_000,
        int(sys.argv[2]) if len(sys.argv) > 2 else 1,
    )
