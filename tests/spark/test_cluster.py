"""A Spark of several processes, as `--master spark://…` finds it: a master, a worker, and executors that it starts."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.simulators import seaweed
from tests.spark.test_engines_agree import agree

pytestmark = [pytest.mark.spark, pytest.mark.timeout(600)]  # three more Java programs
ROOT = Path(__file__).resolve().parents[2]
HERE = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_HOSTNAME": "127.0.0.1"}
SECONDS = 120


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(log: Path, words: str) -> None:
    deadline = time.monotonic() + SECONDS
    while words not in log.read_text(errors="replace"):
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
        time.sleep(0.2)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The address of a master with one worker."""
    import pyspark

    folder = tmp_path_factory.mktemp("cluster")
    home = Path(pyspark.__file__).parent
    master = f"spark://127.0.0.1:{free_port()}"
    port = master.rpartition(":")[2]
    roles = {
        "master.Master": ["--host", "127.0.0.1", "--port", port, "--webui-port", "0"],
        "worker.Worker": ["-c", "2", "-m", "1G", "--webui-port", "0", "--work-dir", str(folder / "work"), master],
    }
    environment = os.environ | HERE | {"SPARK_HOME": str(home), "SPARK_DAEMON_MEMORY": "256m"}
    processes = []
    try:
        for role, words in roles.items():
            log = folder / f"{role}.log"
            command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{role}", *words]
            with log.open("wb") as file:
                processes.append(subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT))
            wait_for(log, "I have been elected leader" if role.startswith("master") else "Successfully registered")
        yield master
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(SECONDS)


@pytest.fixture(scope="module")
def flagctl(tmp_path_factory):
    """Run the command in a copy of the example repository that has events."""
    folder = tmp_path_factory.mktemp("shop") / "example"
    shutil.copytree(ROOT / "flags", folder, ignore=shutil.ignore_patterns(".*", "trust.json"))
    settings = tmp_path_factory.mktemp("settings")
    (settings / "spark-defaults.conf").write_text("spark.sql.shuffle.partitions 4\n")

    def run(*words, **environment):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FLAGCTL_")}
        return subprocess.run(
            [sys.executable, "-m", "flagctl", *words],
            cwd=folder,
            env=kept | {"PYTHONPATH": str(ROOT), "SPARK_CONF_DIR": str(settings)} | HERE | environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=580,
            check=False,
        )

    made = run("experiment", "simulate-events", "ranking-test", "--out", "events", "--units", "1000")
    assert made.returncode == 0, made.stderr
    run.folder = folder
    return run


GUARD = ("experiment", "guard", "ranking-test", "--as-of", "2026-12-15T00:00:00Z", "--output-format", "json")


def test_a_cluster_says_what_duckdb_says(flagctl, cluster):
    spark = flagctl(*GUARD, "--events", "events", "--engine", "spark", "--master", cluster)
    duck = flagctl(*GUARD, "--events", "events")
    assert spark.returncode == duck.returncode, spark.stderr
    agree(json.loads(spark.stdout), json.loads(duck.stdout))


def test_a_cluster_without_a_reader_of_s3_is_told_what_it_needs(flagctl, cluster, tmp_path):
    store = seaweed.start(tmp_path / "weed")
    try:
        client = seaweed.client_of(store.endpoint_url)
        client.create_bucket(Bucket="shop")
        for path in (flagctl.folder / "events").rglob("*.parquet"):
            key = path.relative_to(flagctl.folder).as_posix()
            client.put_object(Bucket="shop", Key=key, Body=path.read_bytes())
        client.close()
        keys = {"AWS_ACCESS_KEY_ID": seaweed.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": seaweed.SECRET_KEY}
        place = ("--events", "s3://shop/events", "--endpoint-url", store.endpoint_url)
        done = flagctl(*GUARD, *place, "--engine", "spark", "--master", cluster, **keys)
    finally:
        seaweed.stop(store)
    assert done.returncode == 2, done.stderr
    assert "this Spark cannot read S3: hadoop-aws is not among its jars" in " ".join(done.stderr.split())
    assert "--master local[*]" in done.stderr
