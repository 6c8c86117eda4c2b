"""Spark through the command, as people start it; and what is said where it does not start."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flagctl.warehouse.spark import _why
from tests.spark.test_engines_agree import agree

pytestmark = pytest.mark.spark
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def flagctl(tmp_path_factory):
    """Run the command in a copy of the example repository that has events."""
    folder = tmp_path_factory.mktemp("shop") / "example"
    shutil.copytree(ROOT / "flags", folder, ignore=shutil.ignore_patterns(".*", "trust.json"))

    def run(*words, **environment):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FLAGCTL_")}
        return subprocess.run(
            [sys.executable, "-m", "flagctl", *words],
            cwd=folder,
            env=kept | {"PYTHONPATH": str(ROOT)} | environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=240,
            check=False,
        )

    made = run("experiment", "simulate-events", "ranking-test", "--out", "events", "--units", "2000")
    assert made.returncode == 0, made.stderr
    return run


ANALYZE = ("experiment", "analyze", "ranking-test", "--events", "events", "--as-of", "2026-12-15T00:00:00Z")


def test_the_command_says_the_same_on_both_engines_and_java_keeps_quiet(flagctl):
    words = (*ANALYZE, "--output-format", "json")
    spark = flagctl(*words, "--engine", "spark", "--master", "local[2]", TZ="Asia/Kathmandu")
    duck = flagctl(*words)
    assert spark.returncode == duck.returncode, spark.stderr
    assert not [line for line in spark.stderr.splitlines() if "WARN" in line or "ERROR" in line]
    one, other = json.loads(spark.stdout), json.loads(duck.stdout)
    assert (one.pop("engine"), other.pop("engine")) == ("spark", "duckdb")
    agree(one, other)


@pytest.mark.parametrize(
    ("master", "environment", "said"),
    [
        ("nonsense", {}, "Spark does not start on nonsense"),
        ("local[2]", {"JAVA_HOME": "/nowhere"}, "it needs Java 17"),
    ],
)
def test_a_spark_that_cannot_start_says_why(flagctl, master, environment, said):
    done = flagctl(*ANALYZE, "--engine", "spark", "--master", master, **environment)
    assert done.returncode == 2, done.stderr
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_without_pyspark_the_extra_is_named(flagctl, tmp_path):
    hidden = tmp_path / "hidden" / "pyspark"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError('no pyspark', name='pyspark')")
    done = flagctl(*ANALYZE, "--engine", "spark", PYTHONPATH=f"{hidden.parent}{os.pathsep}{ROOT}")
    assert done.returncode == 2, done.stderr
    assert "needs pyspark, which is not installed" in " ".join(done.stderr.split())
    assert "flagctl[spark]" in done.stderr


def test_a_cluster_that_does_not_answer_is_the_reason_and_not_what_follows_from_it():
    log = [
        "26/11/23 16:28:05 WARN StandaloneAppClient$ClientEndpoint: Failed to connect to master 127.0.0.1:9\n",
        "Caused by: java.net.ConnectException: Connection refused\n",
        "26/11/23 16:29:05 ERROR StandaloneSchedulerBackend: Reason: All masters are unresponsive! Giving up.\n",
        "java.lang.IllegalStateException: Cannot call methods on a stopped SparkContext.\n",
    ]
    assert _why(log, RuntimeError("it stopped")) == "All masters are unresponsive! Giving up."
    assert _why(log[:2], RuntimeError("it stopped")) == "Caused by: java.net.ConnectException: Connection refused"
    assert _why([], RuntimeError("it stopped\nhere")) == "it stopped"
