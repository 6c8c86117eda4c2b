"""What the doctor finds on machines and in repositories that lack something."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flagctl.ops.doctor import Check, Verdict, diagnose
from flagctl.ops.init import InitOptions, init

NOW = 1_790_000_000_000
DAY = 86_400_000


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    init(InitOptions(directory=folder, now_ms=NOW))
    return folder


def look(folder: Path, *, offline: bool = False, now_ms: int = NOW) -> dict[str, Check]:
    return {check.name: check for check in diagnose(folder, offline=offline, now_ms=now_ms).checks}


def test_a_new_repository_is_healthy(repository: Path) -> None:
    assert all(check.verdict is Verdict.OK for name, check in look(repository).items() if name != "terminal")
    assert "not asked" in look(repository, offline=True)["environment staging"].found


def test_no_repository_is_a_warning_only(tmp_path: Path) -> None:
    assert look(tmp_path)["flag repository"].verdict is Verdict.WARNING


def test_missing_keys_and_remotes_are_warnings(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLAGCTL_PUBLISH_KEY", raising=False)
    for key in (repository / ".flagctl" / "keys").iterdir():
        key.unlink()
    (repository / "flagctl.yaml").write_text("version: 1\nproject: shop\nenvironments: {lonely: {}}\n")
    checks = look(repository)
    assert checks["keys"].verdict is Verdict.WARNING
    assert checks["environment lonely"].found == "no remote"
    monkeypatch.setenv("FLAGCTL_PUBLISH_KEY", "x")
    assert look(repository)["keys"].verdict is Verdict.OK


def test_a_trust_root_that_is_missing_is_a_problem(repository: Path) -> None:
    (repository / "trust.json").unlink()
    assert look(repository)["environment production"].verdict is Verdict.PROBLEM


def test_a_manifest_past_half_of_its_life_wants_a_heartbeat(repository: Path) -> None:
    from flagctl.compiler import compile_environment
    from flagctl.ops.loading import checked, load
    from flagctl.ops.publish import publish
    from flagctl.ops.publish_model import PublishOptions
    from flagctl.ops.publishing import find_signers
    from flagctl.ops.target import open_target

    flags = checked(load(repository), NOW)
    target = open_target(repository, flags.config, "staging")
    bundle = compile_environment(flags, "staging").data
    publish(target, bundle, find_signers(repository, "staging", ()), PublishOptions(clock=lambda: NOW / 1000))
    assert look(repository)["environment staging"].verdict is Verdict.OK
    tired = look(repository, now_ms=NOW + 20 * DAY)["environment staging"]
    assert tired.verdict is Verdict.WARNING
    assert "--heartbeat" in f"{tired.found} {tired.hint}"
    assert look(repository, now_ms=NOW + 40 * DAY)["environment staging"].verdict is Verdict.WARNING


def test_a_machine_without_git_libyaml_and_packages_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import metadata

    import yaml

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    monkeypatch.setattr(metadata, "version", missing)
    monkeypatch.setenv("PATH", str(tmp_path))
    checks = look(tmp_path)
    assert checks["git"].verdict is Verdict.PROBLEM
    assert checks["YAML"].verdict is Verdict.WARNING
    assert 'pip install "flagctl[cli]"' in str(checks["packages"].hint)


def test_a_terminal_without_utf8_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ascii:
        encoding = "ascii"

    monkeypatch.setattr(sys, "stdout", Ascii())
    checks = look(tmp_path)
    monkeypatch.undo()
    assert "PYTHONUTF8" in str(checks["terminal"].hint)
