"""Publishers as processes of their own: eight at once, and some that are killed at a random moment."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flagctl.client.sync import Source, pull
from flagctl.errors import RemoteError
from flagctl.ops.publish import publish
from flagctl.ops.rollback import history
from flagctl.ops.target import Target, read_trust_file
from flagctl.ops.trust import TrustInit, init_trust
from flagctl.signing import generate_key_file, load_signer
from flagctl.storage import open_remote
from tests.scale import scaled
from tests.simulators.project import bundle_of

PUBLISHER = """
import sys
from pathlib import Path
from flagctl.ops.publish import publish
from flagctl.ops.target import Target, read_trust_file
from flagctl.signing import load_signer
from flagctl.storage import open_remote
from tests.simulators.project import bundle_of

folder, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
target = Target(remote=open_remote(f"file://{folder}/remote"), environment="production",
                trust=read_trust_file(folder / "trust.json"))
signers = [load_signer(folder / "publish.key")]
print("ready", flush=True)
for turn in range(count):
    result = publish(target, bundle_of(**{name: True, f"turn_{turn}": True}), signers)
    print(result.action, result.seq, flush=True)
"""


@pytest.fixture
def target(tmp_path) -> Target:
    pair = generate_key_file(tmp_path / "publish.key")
    init_trust(
        TrustInit(
            project="acme",
            environments=("production",),
            out=tmp_path / "trust.json",
            root_keys=(str(pair.private_path),),
            publish_keys={"*": (pair.public_path,)},
        )
    )
    remote = open_remote(f"file://{tmp_path}/remote")
    return Target(remote=remote, environment="production", trust=read_trust_file(tmp_path / "trust.json"))


def start(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PUBLISHER, str(folder), name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def test_eight_processes_lose_and_repeat_no_number_and_readers_never_see_it_fall(target, tmp_path):
    rounds = scaled(3, 30)
    done, seen, errors = threading.Event(), [], []

    def read() -> None:
        state = target.reader()
        while not done.is_set():
            try:
                state = pull(Source(target.remote), state, now=time.time()).state
            except RemoteError:
                time.sleep(0.005)  # before the first publish
            except Exception as error:  # noqa: BLE001 - a refusal, such as a number that falls; shown below
                errors.append(error)
            seen.append(state.manifest.seq if state.manifest else 0)

    reader = threading.Thread(target=read)
    reader.start()
    processes = [start(tmp_path, f"flag_{index}", rounds) for index in range(8)]
    outputs = [process.communicate()[0] for process in processes]
    done.set()
    reader.join()
    assert errors == []
    assert seen == sorted(seen)
    seqs = sorted(int(line.split()[1]) for output in outputs for line in output.splitlines()[1:])
    assert seqs == list(range(1, 8 * rounds + 1))
    assert [entry.seq for entry in history(target, limit=1000)] == seqs[::-1]


def test_a_publisher_that_is_killed_leaves_a_valid_manifest_and_nothing_to_clean_up(target, tmp_path):
    rng = random.Random(1)
    signers = [load_signer(tmp_path / "publish.key")]
    state = target.reader()
    for turn in range(scaled(5, 60)):
        process = start(tmp_path, f"flag_{turn}", 1000)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.random() * 0.1)
        process.kill()
        process.communicate()
        result = publish(target, bundle_of(**{f"after_{turn}": True}), signers)
        state = pull(Source(target.remote), state, now=time.time()).state
        assert state.manifest is not None
        assert state.manifest.seq == result.seq
    seqs = [entry.seq for entry in history(target, limit=100_000)]
    assert seqs == list(range(state.manifest.seq, 0, -1))
