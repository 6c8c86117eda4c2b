"""What an app pays for the client, looked at in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
AUTHOR_SIDE = {"yaml", "ruamel", "boto3", "botocore", "git", "typer", "rich", "jsonschema", "redis", "openfeature"}
SLOW = {
    "cryptography",
    "dataclasses",
    "logging",
    "inspect",
    "pathlib",
    "urllib.parse",
    "tempfile",
    "importlib.metadata",
}


def modules_after(code: str) -> set[str]:
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    return set(json.loads(done.stdout))


def test_the_client_is_imported_without_the_author_side_and_without_slow_modules():
    before = modules_after("")
    assert (modules_after("import flagctl; flagctl.Client") - before) & (AUTHOR_SIDE | SLOW) == set()


@pytest.mark.parametrize("evaluate", ["", "client.refresh()"])
def test_a_client_that_reads_a_folder_needs_nothing_of_the_author_side(tmp_path, evaluate):
    from flagctl.storage import open_remote
    from tests.simulators.project import Project, bundle_of

    project = Project()
    project.put(open_remote(f"file://{tmp_path}/remote"), bundle_of(a=True), expires=2**33)
    (tmp_path / "trust.json").write_bytes(project.trust_data)
    code = f"""
import flagctl
client = flagctl.Client("file://{tmp_path}/remote", environment="production", trust="{tmp_path}/trust.json",
                        cache_dir="{tmp_path}/cache")
assert client.wait_until_ready(20)
assert client.is_enabled("a")
{evaluate}
client.close()
"""
    assert modules_after(code) & AUTHOR_SIDE == set()
