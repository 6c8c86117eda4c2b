from __future__ import annotations

from pathlib import Path

import pytest

from flagctl.errors import NothingMatchedError, UntrustedError, UsageError
from flagctl.ops.diff import DiffOptions, DiffResult, diff
from flagctl.report.diff import render_diff
from flagctl.report.style import PLAIN
from tests.unit.vcs.test_git_repository import git, write

NOW_MS = 1_790_000_000_000
FLAG = """\
kind: flag
key: f
owner: team
type: boolean
default: off
rules:
  - {id: ramp, serve: on, percentage: 10}
"""


@pytest.fixture
def shop(tmp_path: Path, cli) -> Path:
    folder = tmp_path / "shop"
    remote = (tmp_path / "remote").as_uri()
    write(
        folder,
        "flagctl.yaml",
        "version: 1\nproject: shop\nenvironments: {staging: {}, production: {}}\n"
        f"remote: {{url: '{remote}', trust: trust.json}}\n",
    )
    write(folder, "team/f.yaml", FLAG)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "Test")
    git(folder, "config", "user.email", "test@example.com")
    keys = folder / ".flagctl" / "keys"
    for name in ("root", "publish"):
        cli("keys", "generate", str(keys / f"{name}.key"))
    root, publish = str(keys / "root.key"), str(keys / "publish.key")
    cli("trust", "init", "--root-key", root, "--publish-key", publish, "--root", str(folder))
    git(folder, "add", "flagctl.yaml", "team", "trust.json")
    git(folder, "commit", "--quiet", "-m", "First")
    return folder


def compare(shop: Path, base: str, head: str | None = None, **more: object) -> DiffResult:
    return diff(DiffOptions(root=shop, now_ms=NOW_MS, base=base, head=head, **more))  # type: ignore[arg-type]


def test_the_work_tree_is_compared_with_a_bundle_file(shop: Path, cli, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.json"
    cli("compile", "--env", "production", "-o", str(bundle), "--root", str(shop))
    assert compare(shop, f"bundle:{bundle}").diff.changes == ()
    write(shop, "team/f.yaml", "# grown\n" + FLAG.replace("percentage: 10", "percentage: 25"))
    result = compare(shop, f"bundle:{bundle}")
    (change,) = result.diff.changes
    assert change.message == "rule ramp: 10 % → 25 %"
    assert str(change.after) == "team/f.yaml:8"
    assert "15 % change (off → on 15 %)" in render_diff(result, PLAIN)
    assert compare(shop, "HEAD", f"bundle:{bundle}").diff.changes == ()


def test_a_revision_is_compared_with_what_is_live(shop: Path, cli) -> None:
    with pytest.raises(NothingMatchedError, match="nothing is published to 'production'"):
        compare(shop, "remote:production")
    cli("publish", "production", "--yes", "--root", str(shop))
    result = compare(shop, "remote:production", "HEAD")
    assert (result.base, result.diff.changes) == ("live in production (number 1)", ())
    write(shop, "team/f.yaml", FLAG.replace("default: off", "default: on"))
    assert [c.code for c in compare(shop, "remote:production").diff.changes] == ["default-changed"]


def test_what_is_not_a_bundle_is_refused(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        compare(shop, f"bundle:{tmp_path / 'none.json'}")
    write(tmp_path, "broken.json", "{}")
    with pytest.raises(UntrustedError):
        compare(shop, f"bundle:{tmp_path / 'broken.json'}")
    with pytest.raises(UsageError, match="no environment 'prod'"):
        compare(shop, "remote:prod")


def test_bundles_of_different_environments_are_not_compared(shop: Path, cli, tmp_path: Path) -> None:
    for environment in ("staging", "production"):
        cli("compile", "--env", environment, "-o", str(tmp_path / f"{environment}.json"), "--root", str(shop))
    one, other = (f"bundle:{tmp_path / name}.json" for name in ("staging", "production"))
    with pytest.raises(UsageError, match="different environments: production, staging"):
        compare(shop, one, other)
    with pytest.raises(UsageError, match="different environments"):
        compare(shop, one, environments=("production",))
    assert compare(shop, one, one).diff.changes == ()
