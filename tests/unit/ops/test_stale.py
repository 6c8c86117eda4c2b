"""What can go, from a real history."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flagctl.errors import UsageError
from flagctl.ops.stale import StaleOptions, stale

DAY = 86_400_000
NOW = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp() * 1000)
CONFIG = "version: 1\nproject: shop\nenvironments: {staging: {}, production: {}}\n"


def git(folder: Path, *words: str, days_ago: int = 0) -> None:
    stamp = f"{(NOW - days_ago * DAY) // 1000} +0000"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp}
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "tests", f"GIT_{role}_EMAIL": "tests@example.com"}
    subprocess.run(["git", *words], cwd=folder, env=environment, check=True, capture_output=True)


def flag(key: str, rest: str) -> str:
    return f"kind: flag\nkey: {key}\nowner: team-a\n{rest}"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    flags = tmp_path / "flags"
    flags.mkdir()
    (flags / "flagctl.yaml").write_text(CONFIG)
    (flags / "done.yaml").write_text(flag("done", "type: boolean\ndefault: off\n"))
    (flags / "ramp.yaml").write_text(
        flag(
            "ramp",
            "type: boolean\nlifecycle: {temporary: true}\ndefault: off\nrules:\n"
            "  - {id: r, serve: on, percentage: {steps: [{from: 2026-02-01T00:00:00Z, percent: 10}, {from: 2026-05-02T00:00:00Z, percent: 100}]}}\n",
        )
    )
    (flags / "old.yaml").write_text(
        flag(
            "old",
            "type: boolean\nlifecycle: {temporary: true, expires: 2026-05-22}\ndefault: off\n"
            "rules:\n  - {id: r, when: [{attribute: plan, operator: in, value: [pro]}], serve: on}\n",
        )
    )
    (flags / "look.yaml").write_text(
        flag("look", "type: string\nvariants: {a: x, b: y, c: z}\ndefault: {rollout: {a: 50, b: 50}}\n")
    )
    (flags / "vip.yaml").write_text("kind: segment\nkey: vip\nowner: team-b\ninclude: [u1]\n")
    (tmp_path / "app.py").write_text(
        "from flagctl import Client\n\n\ndef page(client: Client) -> bool:\n"
        '    client.is_enabled("ramp"), client.is_enabled("old"), client.get_value("look", None, "x")\n'
        '    return client.is_enabled("done") and client.is_enabled("dnoe")\n'
    )
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first", days_ago=200)
    (flags / "done.yaml").write_text(flag("done", "type: boolean\ndefault: on\n"))
    git(tmp_path, "commit", "-qam", "all", days_ago=100)
    (flags / "done.yaml").write_text(flag("done", "description: words\ntype: boolean\ndefault: on\n"))
    git(tmp_path, "commit", "-qam", "words only", days_ago=3)
    return flags


def found(root: Path, **more: object) -> dict[tuple[str, str], object]:
    result = stale(StaleOptions(root=root, now_ms=NOW, **more))  # type: ignore[arg-type]
    return {(one.reason, one.key): one for one in result.findings}


def test_a_flag_is_one_sided_since_its_meaning_became_so_whatever_its_words(shop) -> None:
    one = found(shop)["one-sided", "done"]
    assert (one.age_days, one.owner, one.line) == (100, "team-a", 6)
    assert one.suggestion == "flagctl cleanup done --keep on"


def test_a_ramp_is_one_sided_since_its_last_step(shop) -> None:
    assert found(shop)["one-sided", "ramp"].since == "2026-05-02"
    assert ("one-sided", "ramp") not in found(shop, days=31)


def test_everything_else_that_can_go_is_found(shop) -> None:
    assert set(found(shop)) == {
        ("one-sided", "done"),
        ("one-sided", "ramp"),
        ("long-lived", "ramp"),
        ("expired", "old"),
        ("unused-variant", "look"),
        ("orphan-segment", "vip"),
        ("unknown-key", "dnoe"),
    }
    assert found(shop)["expired", "old"].age_days == 10
    assert "did you mean 'done'" in found(shop)["unknown-key", "dnoe"].suggestion


def test_the_oldest_come_first(shop) -> None:
    ages = [one.age_days for one in stale(StaleOptions(root=shop, now_ms=NOW)).findings if one.age_days is not None]
    assert ages == sorted(ages, reverse=True)


def test_a_change_that_is_not_committed_starts_the_clock_again(shop) -> None:
    (shop / "done.yaml").write_text(flag("done", "type: boolean\ndefault: off\n"))
    assert ("one-sided", "done") not in found(shop)


def test_flags_that_nobody_asked_for_come_from_counts(shop, tmp_path) -> None:
    counts = tmp_path / "usage.json"
    counts.write_text(json.dumps({"flags": [{"key": "done", "count": 4}, {"key": "gone", "count": 2}]}))
    names = {key for reason, key in found(shop, usage=counts) if reason == "never-evaluated"}
    assert names == {"ramp", "old", "look"}
    assert ("unknown-key", "gone") in found(shop, usage=counts)
    lines = tmp_path / "usage.jsonl"
    lines.write_text('{"flag": "old", "count": 1}\n{"flag": "old", "count": 2}\n')
    assert ("never-evaluated", "old") not in found(shop, usage=lines)


def test_counts_that_are_none_are_refused(shop, tmp_path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"flags": [1]}')
    with pytest.raises(UsageError, match="has no counts"):
        found(shop, usage=bad)
    with pytest.raises(UsageError, match="not known"):
        found(shop, reasons=("never-evaluated",))
    with pytest.raises(UsageError, match="no reason 'expird'"):
        found(shop, reasons=("expird",))


def test_flags_that_no_code_names_can_go_unless_they_are_new(shop) -> None:
    (shop / "lonely.yaml").write_text(flag("lonely", "type: boolean\ndefault: off\n"))
    git(shop, "add", "-A")
    git(shop, "commit", "-qm", "new", days_ago=5)
    assert ("no-references", "lonely") not in found(shop)
    assert ("no-references", "lonely") in found(shop, days=4)


def test_owner_and_reasons_narrow_the_list(shop) -> None:
    assert set(found(shop, owner="team-b")) == {("orphan-segment", "vip")}
    assert set(found(shop, reasons=("expired",))) == {("expired", "old")}


def test_without_git_it_says_what_it_cannot_tell(tmp_path) -> None:
    (tmp_path / "flagctl.yaml").write_text(CONFIG)
    (tmp_path / "done.yaml").write_text(flag("done", "type: boolean\ndefault: on\n"))
    result = stale(StaleOptions(root=tmp_path, now_ms=NOW))
    assert not result.findings
    assert any("no ages" in note for note in result.notes)
