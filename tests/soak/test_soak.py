"""Minutes of faults: S3 and Valkey are stopped, resumed, slowed, cut and fed with garbage, while publications and kills go on.

    python -m pytest -m soak -s -n0            ten minutes
    FLAGCTL_SOAK_SECONDS=60 python -m pytest -m soak -s -n0

`FLAGCTL_SOAK_SEED` plays other faults, `FLAGCTL_SOAK_REPORT` names a file for the numbers as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.soak.play import Settings, play

pytestmark = [pytest.mark.soak, pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")]

SECONDS = float(os.environ.get("FLAGCTL_SOAK_SECONDS", "600"))


@pytest.mark.timeout(SECONDS + 240)
def test_nothing_raises_or_falls_everybody_converges_and_memory_is_flat(tmp_path, s3_credentials, capsys):
    report = play(tmp_path, Settings(SECONDS, int(os.environ.get("FLAGCTL_SOAK_SEED", "1"))))
    if "FLAGCTL_SOAK_REPORT" in os.environ:
        Path(os.environ["FLAGCTL_SOAK_REPORT"]).write_text(json.dumps(report.to_dict(), indent=2) + "\n")
    with capsys.disabled():
        print("\n" + report.table())
    assert report.problems == []
    assert report.publications > SECONDS / 10
    assert report.evaluations > 1_000


@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("deaf", "did not converge"),
        ("raising", "an evaluation raised"),
        ("forgetful", "numbers fell"),
        ("greedy", "grew from"),
    ],
)
def test_a_client_that_is_broken_is_noticed(tmp_path, s3_credentials, monkeypatch, broken, words):
    monkeypatch.setattr("tests.soak.play.CONVERGENCE_SECONDS", 8.0)
    monkeypatch.setattr("tests.soak.play.START_SECONDS", 10.0)
    report = play(tmp_path, Settings(24.0 if broken == "greedy" else 5.0, broken=broken, faults=False))
    assert any(words in problem for problem in report.problems), report.problems
