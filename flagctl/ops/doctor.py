"""`flagctl doctor`: whether this machine and this flag repository have what flagctl needs."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flagctl.errors import FlagctlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.model import RepositoryConfig


class Verdict(Enum):
    """How a check went."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        verdict: How it is.
        found: What was found, in a few words.
        hint: What to do about it, if anything.
    """

    name: str
    verdict: Verdict
    found: str
    hint: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"name": self.name, "verdict": self.verdict.value, "found": self.found, "hint": self.hint}


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorResult:
    """All checks."""

    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing is a problem."""
        return all(check.verdict is not Verdict.PROBLEM for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-doctor.schema.json`)."""
        return {"healthy": self.healthy, "checks": [check.to_dict() for check in self.checks]}


def diagnose(start: Path, *, offline: bool, now_ms: int) -> DoctorResult:
    """Look at the machine, and at the flag repository around `start` if there is one.

    Args:
        start: Folder to look from.
        offline: Whether to leave the remotes alone.
        now_ms: Milliseconds since the epoch.
    """
    checks = [*_machine(), *_repository(start, offline=offline, now_ms=now_ms)]
    return DoctorResult(checks=tuple(checks))


def _machine() -> Iterator[Check]:
    import flagctl

    python = ".".join(map(str, sys.version_info[:3]))
    yield Check(name="flagctl", verdict=Verdict.OK, found=f"{flagctl.__version__} on Python {python}")
    yield _git()
    yield _yaml()
    yield from _packages()
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    yield Check(
        name="terminal",
        verdict=Verdict.OK if encoding == "utf8" else Verdict.WARNING,
        found=f"writes {sys.stdout.encoding}",
        hint=None if encoding == "utf8" else "set PYTHONUTF8=1; otherwise some characters are shown as escapes",
    )


def _git() -> Check:
    from flagctl.vcs.plumbing import run_git

    try:
        version = run_git(Path.cwd(), "version").decode().strip()
    except (FlagctlError, OSError):
        return Check(
            name="git",
            verdict=Verdict.PROBLEM,
            found="not installed",
            hint="install git; without it there is no diff, history and check of what may be published",
        )
    return Check(name="git", verdict=Verdict.OK, found=version.removeprefix("git version "))


def _yaml() -> Check:
    import yaml

    fast = bool(getattr(yaml, "__with_libyaml__", False))
    return Check(
        name="YAML",
        verdict=Verdict.OK if fast else Verdict.WARNING,
        found=f"PyYAML {yaml.__version__}" + ("" if fast else " without libyaml"),
        hint=None if fast else "reading flags is about fifteen times slower; install a PyYAML wheel with libyaml",
    )


def _packages() -> Iterator[Check]:
    from importlib.metadata import PackageNotFoundError, version

    found, missing = [], []
    for name in (
        "mmh3",
        "cryptography",
        "typer",
        "rich",
        "ruamel.yaml",
        "jsonschema",
        "jsonschema-rs",
        "GitPython",
        "boto3",
    ):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    yield Check(
        name="packages",
        verdict=Verdict.PROBLEM if missing else Verdict.OK,
        found=f"missing: {', '.join(missing)}" if missing else ", ".join(found),
        hint='pip install "flagctl[cli]"' if missing else None,
    )


def _repository(start: Path, *, offline: bool, now_ms: int) -> Iterator[Check]:
    from flagctl.ops.loading import load, readable
    from flagctl.source import find_root

    try:
        root = find_root(start)
        loaded = load(root)
        config = readable(loaded).config
    except FlagctlError as error:
        yield Check(name="flag repository", verdict=Verdict.WARNING, found=error.message, hint=error.hint)
        return
    flags = len(loaded.repository.flags) if loaded.repository else 0
    yield Check(name="flag repository", verdict=Verdict.OK, found=f"{root}: {config.project}, {flags} flags")
    yield from _keys(root)
    for name in config.environments:
        yield _environment(root, config, name, offline=offline, now_ms=now_ms)


def _keys(root: Path) -> Iterator[Check]:
    from flagctl.ops.publishing import KEY_FOLDER, KEY_VARIABLE

    folder = root / KEY_FOLDER
    keys = sorted(folder.glob("*.key")) if folder.is_dir() else []
    if os.environ.get(KEY_VARIABLE):
        yield Check(name="keys", verdict=Verdict.OK, found=f"one to publish with in {KEY_VARIABLE}")
    elif not keys:
        yield Check(
            name="keys",
            verdict=Verdict.WARNING,
            found="none to publish with",
            hint=f"set {KEY_VARIABLE}, or put a key file into {KEY_FOLDER}/publish.key",
        )
    for path in keys:
        mode = stat.S_IMODE(path.stat().st_mode)
        safe = os.name != "posix" or not mode & 0o077
        yield Check(
            name=f"key {path.name}",
            verdict=Verdict.OK if safe else Verdict.PROBLEM,
            found=f"mode {mode:04o}",
            hint=None if safe else f"others can read it: chmod 600 {path}; better make a new one",
        )


def _environment(root: Path, config: RepositoryConfig, name: str, *, offline: bool, now_ms: int) -> Check:
    """Return how an environment's remote is; a manifest past half of its life needs a heartbeat."""
    from flagctl.ops.status import status
    from flagctl.ops.target import open_target

    remote = config.environments[name].remote
    label = f"environment {name}"
    if remote is None:
        return Check(name=label, verdict=Verdict.WARNING, found="no remote", hint="add remote: to flagctl.yaml")
    if offline:
        return Check(name=label, verdict=Verdict.OK, found=f"{remote.url}, not asked")
    try:
        state = status(open_target(root, config, name), clock=lambda: now_ms / 1000)
    except FlagctlError as error:
        return Check(name=label, verdict=Verdict.PROBLEM, found=error.message, hint=error.hint)
    if state.state == "missing":
        return Check(name=label, verdict=Verdict.OK, found=f"{state.url}: nothing published yet")
    good = state.state == "live" and not state.needs_heartbeat
    texts = [*filter(None, [state.error]), *state.warnings]
    if state.needs_heartbeat and not texts:
        texts = ["more than half of its life is over"]
    serious = state.state in {"untrusted", "unreachable"}
    return Check(
        name=label,
        verdict=Verdict.OK if good and not texts else Verdict.PROBLEM if serious else Verdict.WARNING,
        found=f"{state.url}: {state.state}"
        + (f", number {state.seq}" if state.seq is not None else "")
        + (f"; {'; '.join(texts)}" if texts else ""),
        hint=state.hint or (f"renew it: flagctl publish {name} --heartbeat" if state.needs_heartbeat else None),
    )
