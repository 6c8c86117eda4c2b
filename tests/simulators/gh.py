"""Stands for GitHub behind the command `gh`: pull requests, comments, code scanning, artifacts of runs.

Run as ``python gh.py ARGUMENTS`` with ``GH_SIMULATOR`` naming a JSON file that holds the state. Nothing is asked of GitHub;
jq programs are run for real.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

State = dict[str, Any]


def main(words: list[str]) -> int:
    """Carry out one command."""
    path = Path(os.environ["GH_SIMULATOR"])
    if not os.environ.get("GH_TOKEN"):
        sys.stderr.write("gh: to use GitHub CLI in a workflow, set the GH_TOKEN environment variable\n")
        return 4
    state: State = json.loads(path.read_text(encoding="utf-8"))
    state["calls"].append(words)
    code = {"api": api, "run": download, "pr": view}[words[0]](words, state)
    path.write_text(json.dumps(state), encoding="utf-8")
    return code


def download(words: list[str], state: State) -> int:
    """`gh run download ID --repo NAME --pattern GLOB --dir FOLDER`."""
    assert words[:2] == ["run", "download"], words
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options["--repo"] == state["repository"]
    source = Path(state["runs"].get(words[2], os.devnull))
    found = [p for p in source.iterdir() if fnmatch.fnmatch(p.name, options["--pattern"])] if source.is_dir() else []
    if not found:
        sys.stderr.write("no artifact matches any of the names or patterns provided\n")
        return 1
    for folder in found:
        shutil.copytree(folder, Path(options["--dir"]) / folder.name)
    return 0


def view(words: list[str], state: State) -> int:
    """`gh pr view NUMBER --repo NAME --json reviews,author`."""
    assert words[:2] == ["pr", "view"], words
    assert words[3:] == ["--repo", state["repository"], "--json", "reviews,author"], words
    found = [pull for pull in state["pulls"] if str(pull["number"]) == words[2]]
    if not found:
        sys.stderr.write("GraphQL: Could not resolve to a PullRequest\n")
        return 1
    sys.stdout.write(json.dumps({"author": found[0]["author"], "reviews": found[0]["reviews"]}) + "\n")
    return 0


def api(words: list[str], state: State) -> int:
    """`gh api PATH` with the options that we use."""
    method, path, program, fields, silent = "GET", "", None, {}, False
    rest = iter(words[1:])
    for word in rest:
        if word == "--method":
            method = next(rest)
        elif word == "--jq":
            program = next(rest)
        elif word in {"-f", "-F"}:
            name, _, value = next(rest).partition("=")
            fields[name] = Path(value[1:]).read_text("utf-8") if word == "-F" and value.startswith("@") else value
        elif word == "--silent":
            silent = True
        elif word != "--paginate":
            assert not path, words
            path = word
    answer = respond(method, path, fields, state)
    if answer is None:
        sys.stderr.write("gh: Not Found (HTTP 404)\n")
        return 1
    if not silent:
        show(answer, program)
    return 0


def respond(method: str, path: str, fields: dict[str, str], state: State) -> Any:
    """Return what GitHub would answer, or None for nothing there."""
    repository = f"repos/{state['repository']}"
    if (method, path) == ("GET", f"{repository}/pulls"):
        owner, _, branch = fields["head"].partition(":")
        return [p for p in state["pulls"] if p["head"]["owner"] == owner and p["head"]["ref"] == branch]
    if (method, path) == ("POST", f"{repository}/code-scanning/sarifs"):
        state["sarifs"].append(fields)
        return {"id": "1"}
    merged = re.fullmatch(re.escape(repository) + r"/commits/([0-9a-f]{40})/pulls", path)
    if merged:
        return [p for p in state["pulls"] if p.get("merge_commit_sha") == merged[1]]
    thread = re.fullmatch(re.escape(repository) + r"/issues/(\d+)/comments", path)
    if thread:
        if method == "GET":
            return [c for c in state["comments"] if c["pull"] == int(thread[1])]
        comment = {
            "id": len(state["comments"]) + 100,
            "pull": int(thread[1]),
            "user": {"login": state["user"]},
            "body": fields["body"],
        }
        state["comments"].append(comment)
        return comment
    one = re.fullmatch(re.escape(repository) + r"/issues/comments/(\d+)", path)
    if one and method == "PATCH":
        (found,) = [c for c in state["comments"] if c["id"] == int(one[1])]
        assert len(fields["body"]) <= 65_536
        found["body"] = fields["body"]
        return found
    return None


def show(answer: Any, program: str | None) -> None:
    """Write an answer, through jq if asked for."""
    import jq

    results = [answer] if program is None else jq.compile(program).input_value(answer).all()
    for result in results:
        sys.stdout.write((result if isinstance(result, str) else json.dumps(result)) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
