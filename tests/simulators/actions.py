"""Runs jobs of workflows and composite actions as GitHub's runner does, as far as ours use it.

The `run:` blocks run for real, with bash, in a real checkout. Of third-party actions those that pass files between jobs are
carried out; the others are only written down. `gh` is `tests/simulators/gh.py`; `pip` writes down what it should install.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.simulators.expressions import evaluate, fill, text_of

ROOT = Path(__file__).resolve().parents[2]
_QUIET = {"actions/checkout", "actions/setup-python", "aws-actions/configure-aws-credentials"}


@dataclass
class Ran:
    """What a job or action did.

    Attributes:
        code: Exit code of the step that failed, or 0.
        log: Standard output and error of all steps.
        summary: The step summaries, one after the other.
        outputs: Of an action.
        used: Third-party actions with their inputs.
    """

    code: int = 0
    log: str = ""
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    used: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


class Runner:
    """One machine of GitHub's.

    Args:
        folder: For its files.
        workspace: A checkout of what the event is about.
        event_name: For instance ``pull_request``.
        event: The event's payload.
    """

    def __init__(self, folder: Path, workspace: Path, event_name: str, event: Mapping[str, Any]) -> None:
        self.folder = folder
        self.workspace = workspace
        self.event_name = event_name
        self.event = event
        self.vars: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self.ref = "refs/heads/main"
        self.protected = True
        self.repository = "acme/shop"
        told = subprocess.run(["git", "rev-parse", "HEAD"], cwd=workspace, capture_output=True, text=True, check=True)
        self.commit = told.stdout.strip()
        self.artifacts = folder / "artifacts"
        self.gh_state = folder / "gh.json"
        self._files = 0
        self.artifacts.mkdir(parents=True, exist_ok=True)
        if not self.gh_state.exists():
            state = {"repository": self.repository, "user": "github-actions[bot]"}
            lists = {"calls": [], "pulls": [], "comments": [], "sarifs": []}
            self.gh_state.write_text(json.dumps({**state, **lists, "runs": {}}))
        self._make_tools()

    @property
    def gh(self) -> dict[str, Any]:
        """What is on GitHub."""
        return dict(json.loads(self.gh_state.read_text()))

    def change_gh(self, **parts: Any) -> None:
        """Change what is on GitHub."""
        self.gh_state.write_text(json.dumps({**self.gh, **parts}))

    @property
    def installed(self) -> list[str]:
        """What `pip` was asked for, a line for each call."""
        log = self.folder / "pip.log"
        return log.read_text().splitlines() if log.exists() else []

    def job(self, workflow: str | Path, name: str, **given: Any) -> Ran | None:
        """Run a job of a workflow; None if its condition does not hold.

        Args:
            workflow: The file.
            name: Of the job.
            given: ``matrix``, ``inputs`` or ``needs`` as contexts.
        """
        document = yaml.safe_load(Path(workflow).read_text(encoding="utf-8"))
        job = document["jobs"][name]
        context = self._context({"matrix": {}, "inputs": {}, "needs": {}, **given})
        if "if" in job and not evaluate(str(job["if"]).removeprefix("${{").removesuffix("}}"), context):
            return None
        environment = {}
        for level in (document.get("env", {}), job.get("env", {})):
            environment.update({key: text_of(fill(value, context)) for key, value in level.items()})
        ran = Ran()
        self._temp().mkdir(parents=True, exist_ok=True)
        self._steps(job["steps"], context, environment, ran)
        shutil.rmtree(self._temp())
        return ran

    def action(self, name: str, inputs: Mapping[str, str], environment: Mapping[str, str] | None = None) -> Ran:
        """Run a composite action of `.github/actions`."""
        folder = ROOT / ".github" / "actions" / name
        document = yaml.safe_load((folder / "action.yml").read_text(encoding="utf-8"))
        declared = document.get("inputs", {})
        assert set(inputs) <= set(declared), f"unknown inputs of {name}: {set(inputs) - set(declared)}"
        missing = [key for key, about in declared.items() if about.get("required") and key not in inputs]
        assert not missing, f"missing inputs of {name}: {missing}"
        bare = self._context({})
        given = {key: inputs.get(key, text_of(fill(about.get("default", ""), bare))) for key, about in declared.items()}
        context = self._context({"inputs": given})
        ran = Ran()
        self._temp().mkdir(parents=True, exist_ok=True)
        paths = {**(environment or {}), "GITHUB_ACTION_PATH": str(folder)}
        self._steps(document["runs"]["steps"], context, paths, ran)
        for key, output in document.get("outputs", {}).items():
            ran.outputs[key] = text_of(fill(output["value"], context))
        return ran

    def _context(self, more: Mapping[str, Any]) -> dict[str, Any]:
        github = {
            "event_name": self.event_name,
            "event": self.event,
            "repository": self.repository,
            "ref": self.ref,
            "ref_protected": self.protected,
            "token": "token-of-the-job",
        }
        contexts = {"github": github, "vars": self.vars, "secrets": self.secrets, "runner": {"temp": str(self._temp())}}
        return {**contexts, "steps": {}, "env": {}, **more}

    def _temp(self) -> Path:
        return self.folder / "temp"

    def _steps(self, steps: list[dict[str, Any]], context: dict[str, Any], env: Mapping[str, str], ran: Ran) -> None:
        for step in steps:
            context["env"] = dict(env)
            if "if" in step and not evaluate(str(step["if"]), context):
                continue
            if "uses" in step:
                inputs = {key: fill(value, context) for key, value in step.get("with", {}).items()}
                self._use(step["uses"].partition("@")[0], inputs, ran)
                continue
            own = {key: text_of(fill(value, context)) for key, value in step.get("env", {}).items()}
            script = text_of(fill(step["run"], context))
            outputs = self._run(script, {**env, **own}, ran)
            if "id" in step:
                context["steps"][step["id"]] = {"outputs": outputs}
            if ran.code:
                return

    def _use(self, name: str, inputs: dict[str, Any], ran: Ran) -> None:
        ran.used.append((name, inputs))
        if name == "actions/upload-artifact":
            target = self.artifacts / inputs["name"]
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(inputs["path"], target)
        elif name == "actions/download-artifact":
            shutil.copytree(self.artifacts / inputs["name"], inputs["path"])
        else:
            assert name in _QUIET, f"nobody knows the action {name} here"

    def _run(self, script: str, env: Mapping[str, str], ran: Ran) -> dict[str, str]:
        self._files += 1
        summary, output, code = (self.folder / f"{name}-{self._files}" for name in ("summary", "output", "step.sh"))
        event = self.folder / "event.json"
        event.write_text(json.dumps(self.event))
        code.write_text(script)
        summary.write_text("")
        output.write_text("")
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        environment = {
            **kept,
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKFLOW": "Flags",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_EVENT_NAME": self.event_name,
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": self.repository,
            "GITHUB_REF": self.ref,
            "GITHUB_REF_NAME": self.ref.removeprefix("refs/heads/"),
            "GITHUB_REF_PROTECTED": text_of(self.protected),
            "GITHUB_SHA": self.commit,
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_OUTPUT": str(output),
            "RUNNER_TEMP": str(self._temp()),
            "GH_SIMULATOR": str(self.gh_state),
            "PIP_LOG_FILE": str(self.folder / "pip.log"),
            **env,
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(code)],
            cwd=self.workspace,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        ran.code = done.returncode
        ran.log += done.stdout
        ran.summary += summary.read_text(encoding="utf-8")
        return dict(line.split("=", 1) for line in output.read_text(encoding="utf-8").splitlines())

    def _make_tools(self) -> None:
        tools = self.folder / "bin"
        tools.mkdir(exist_ok=True)
        record = 'printf "%s\\n" "$*" >> "$PIP_LOG_FILE"'
        for name, body in {
            "flagctl": f'PYTHONPATH="{ROOT}" exec "{sys.executable}" -m flagctl "$@"',
            "gh": f'exec "{sys.executable}" "{ROOT}/tests/simulators/gh.py" "$@"',
            "pip": record,
            "python": f'if [ "$1 $2" = "-m pip" ]; then {record}; else exec "{sys.executable}" "$@"; fi',
        }.items():
            path = tools / name
            path.write_text(f"#!/bin/sh\n{body}\n")
            path.chmod(0o755)
