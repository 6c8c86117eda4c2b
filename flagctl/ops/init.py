"""`flagctl init`: a new flag repository in which everything works."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import UsageError
from flagctl.ops import init_ci
from flagctl.ops import init_templates as templates
from flagctl.ops.publishing import KEY_FOLDER
from flagctl.resources import data_path

if TYPE_CHECKING:
    from pathlib import Path

    from flagctl.ops.keys import KeyResult

ENVIRONMENTS: Final = ("development", "staging", "production")
_SCHEMAS: Final = ("config", "flag", "segment", "experiment", "layer", "test")
_PROJECT: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_LIFETIME: Final = timedelta(days=270)


@dataclass(frozen=True, slots=True, kw_only=True)
class InitOptions:
    """What to make.

    Attributes:
        directory: Folder; it may exist and hold other things.
        now_ms: For the expiry of the sample flag; milliseconds since the epoch.
        project: Name; None is the folder's.
        remote: Location; None is a folder below `directory`.
        endpoint_url: Address of an S3-compatible store.
        ci: Make all workflows for this CI system, also for a flag repository that is there already; None makes only the checks.
    """

    directory: Path
    now_ms: int
    project: str | None = None
    remote: str | None = None
    endpoint_url: str | None = None
    ci: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InitResult:
    """What was made; paths are relative to `directory`.

    Attributes:
        directory: The folder.
        project: Name of the project.
        remote: Location.
        created: Files that were written.
        kept: Files that were there already and stayed as they are.
        keys: The keys that were made.
        warnings: What needs attention.
        environments: Names of the environments.
    """

    directory: Path
    project: str
    remote: str
    created: tuple[str, ...]
    kept: tuple[str, ...]
    keys: tuple[KeyResult, ...]
    warnings: tuple[str, ...] = ()
    environments: tuple[str, ...] = ENVIRONMENTS

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-init.schema.json`)."""
        return {
            "directory": str(self.directory),
            "project": self.project,
            "environments": list(self.environments),
            "remote": self.remote,
            "created": list(self.created),
            "kept": list(self.kept),
            "keys": [{"keyid": key.keyid, "path": key.private_path} for key in self.keys],
            "warnings": list(self.warnings),
        }


def init(options: InitOptions) -> InitResult:
    """Make a flag repository: configuration, sample flags with tests, keys, root of trust, editor settings, workflow.

    Nothing that exists is overwritten; only lines are added to an existing `.gitignore`.

    Raises:
        UsageError: If there is a flag repository already (and no CI system is named), or the name, location or system
            cannot be used.
    """
    from flagctl.storage import open_remote

    directory = options.directory.absolute()
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{options.directory} is not a folder")
    if options.ci is not None:
        init_ci.check_system(options.ci)
    if (directory / "flagctl.yaml").exists():
        if options.ci is None:
            raise UsageError(
                f"{options.directory} is a flag repository already",
                hint="see what is in it: flagctl list; workflows can be added: flagctl init --ci github",
            )
        return _add_ci(options, options.ci)
    project = project_name(options.project, directory)
    remote = options.remote or (directory.resolve() / ".flagctl" / "remote").as_uri()
    open_remote(remote)
    others = _other_yaml(directory)
    writer = _Writer(directory)
    _write_files(writer, project, remote, options)
    warnings = _write_ci(writer, directory, options.ci, ENVIRONMENTS)
    keys = make_keys(directory, project)
    writer.created += ["trust.json"]
    if others:
        warnings.append(
            f"there are other YAML files here ({', '.join(others)}): list them under 'exclude' in flagctl.yaml"
        )
    return InitResult(
        directory=options.directory,
        project=project,
        remote=remote,
        created=tuple(writer.created),
        kept=tuple(writer.kept),
        keys=keys,
        warnings=tuple(warnings),
    )


def project_name(wanted: str | None, directory: Path) -> str:
    """Return the project's name: the one asked for, or one made of the folder's.

    Raises:
        UsageError: If the one asked for cannot be used.
    """
    if wanted is not None:
        if _PROJECT.fullmatch(wanted) is None:
            raise UsageError(
                f"'{wanted}' cannot be the name of a project",
                hint="lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit",
            )
        return wanted
    name = re.sub(r"[^a-z0-9._-]+", "-", directory.resolve().name.lower()).strip("._-")
    return name[:100] or "flags"


def make_keys(directory: Path, project: str, environments: tuple[str, ...] = ENVIRONMENTS) -> tuple[KeyResult, ...]:
    """Make keys for the root, publishing and kill roles below `directory`, and the root of trust `trust.json`.

    Raises:
        ConflictError: If one of the files exists.
    """
    from flagctl.ops.keys import generate_key
    from flagctl.ops.trust import TrustInit, init_trust

    folder = directory / KEY_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    keys = {role: generate_key(folder / f"{role}.key") for role in ("root", "publish", "kill")}
    init_trust(
        TrustInit(
            project=project,
            environments=environments,
            out=directory / "trust.json",
            root_keys=(str(folder / "root.key"),),
            publish_keys={"*": (folder / "publish.key.pub",)},
            kill_keys={"*": (folder / "kill.key.pub",)},
        )
    )
    return tuple(keys.values())


class _Writer:
    """Writes files that do not exist yet, and remembers which."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.created: list[str] = []
        self.kept: list[str] = []

    def write(self, name: str, text: str) -> None:
        path = self._directory / name
        if path.exists():
            self.kept.append(name)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.created.append(name)

    def add_lines(self, name: str, text: str) -> None:
        """Write a file, or add the lines that an existing one lacks."""
        path = self._directory / name
        if not path.exists():
            self.write(name, text)
            return
        present = path.read_text(encoding="utf-8")
        missing = [line for line in text.splitlines() if line not in present.splitlines()]
        if missing:
            end = "" if not present or present.endswith("\n") else "\n"
            path.write_text(f"{present}{end}" + "\n".join(missing) + "\n", encoding="utf-8")
        self.kept.append(name)


def _write_files(writer: _Writer, project: str, remote: str, options: InitOptions) -> None:
    import flagctl

    expires = datetime.fromtimestamp(options.now_ms / 1000, tz=UTC) + _LIFETIME
    location = json.dumps(remote)
    if options.endpoint_url:
        location += f", endpoint_url: {json.dumps(options.endpoint_url)}"
    inside, outside = _sample_units()
    words = {
        "project": project,
        "remote": location,
        "expires": expires.strftime("%Y-%m-%d"),
        "version": flagctl.__version__,
        "inside": inside,
        "outside": outside,
    }
    for name, template in (
        ("flagctl.yaml", templates.CONFIG),
        ("flags/new-checkout.yaml", templates.NEW_CHECKOUT),
        ("flags/api-rate-limit.yaml", templates.RATE_LIMIT),
        ("flags/search-ranking.yaml", templates.SEARCH_RANKING),
        ("flags/shop.test.yaml", templates.TESTS),
        ("segments/employees.yaml", templates.EMPLOYEES),
        (".vscode/settings.json", templates.VSCODE_SETTINGS),
        (".vscode/extensions.json", templates.VSCODE_EXTENSIONS),
    ):
        writer.write(name, _filled(template, words))
    for schema in _SCHEMAS:
        name = f"{schema}.schema.json"
        writer.write(f"schemas/{name}", (data_path("schemas") / name).read_text(encoding="utf-8"))
    writer.add_lines(".gitignore", templates.GITIGNORE)


def _add_ci(options: InitOptions, system: str) -> InitResult:
    """Add the workflows to a flag repository that is there already."""
    from flagctl.ops.loading import load, readable

    directory = options.directory.absolute()
    config = readable(load(directory)).config
    environments = tuple(config.environments)
    writer = _Writer(directory)
    warnings = _write_ci(writer, directory, system, environments)
    remotes = [environment.remote for environment in config.environments.values() if environment.remote is not None]
    return InitResult(
        directory=options.directory,
        project=config.project,
        remote=remotes[-1].url if remotes else "",
        created=tuple(writer.created),
        kept=tuple(writer.kept),
        keys=(),
        warnings=tuple(warnings),
        environments=environments,
    )


def _write_ci(writer: _Writer, directory: Path, system: str | None, environments: tuple[str, ...]) -> list[str]:
    """Write the workflows into the git repository's folder, where alone they are read: only the checks if none were asked for."""
    top = init_ci.git_folder(directory)
    words = init_ci.ci_words(directory, top, environments)
    before = os.path.relpath(top, directory.resolve())
    for name, template in (init_ci.CHECKS if system is None else init_ci.ci_files(system)).items():
        path = name if before == "." else f"{before}/{name}"
        writer.write(path, _filled(init_ci.template(template), words))
    warning = init_ci.include_warning(top) if system == "gitlab" else None
    return [warning] if warning else []


def _filled(template: str, words: dict[str, str]) -> str:
    return re.sub("«([a-z]+)»", lambda match: words[match[1]], template)


def _sample_units() -> tuple[str, str]:
    """Return a user inside the sample flag's 25 % and one outside."""
    from flagctl.evaluator import bucket

    names = [f"user-{number}" for number in range(1, 100)]
    inside = next(name for name in names if bucket("new-checkout", name) < 25_000)
    outside = next(name for name in names if bucket("new-checkout", name) >= 25_000)
    return inside, outside


def _other_yaml(directory: Path) -> list[str]:
    """Return a few YAML files that lie in the folder already; they would be taken for flag files."""
    if not directory.is_dir():
        return []
    found = []
    for path in sorted(directory.rglob("*.y*ml")):
        name = path.relative_to(directory)
        if not any(part.startswith(".") for part in name.parts):
            found.append(name.as_posix())
        if len(found) == 3:
            break
    return found
