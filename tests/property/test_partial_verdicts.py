"""An edit is checked with the files it can make wrong: the verdict is that of checking all files."""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import TYPE_CHECKING

from flagctl.diagnostics import Severity
from flagctl.lint import LintOptions, lint
from flagctl.ops.edit_plan import make_plan
from flagctl.ops.workspace import Workspace
from flagctl.source import load_tree
from tests.generators.repositories import random_repository
from tests.generators.yaml_text import repository_to_files
from tests.scale import scaled
from tests.unit.lint.repositories import NOW_MS, files_of
from tests.unit.lint.test_runner import all_fixture_texts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flagctl.diagnostics import Diagnostic

_WORD = re.compile(r"([\w.'\"/-]+)")


def workspace_of(root: Path, files: Mapping[str, bytes]) -> Workspace:
    for path, content in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return Workspace(root)


def random_edit(rng: random.Random, files: Mapping[str, bytes], words: list[str]) -> dict[str, bytes | None]:
    """Return new contents of one or two files: other words, mostly of the repository; no file; another one's text."""
    result: dict[str, bytes | None] = {}
    for path in rng.sample(sorted(files), min(len(files), rng.choice((1, 1, 2)))):
        chance = rng.random()
        if path != "flagctl.yaml" and chance < 0.1:
            result[path] = None
        elif path != "flagctl.yaml" and chance < 0.2:
            result[f"new/{rng.choice(words).strip('./') or 'x'}.yaml".replace('"', "").replace("'", "")] = files[path]
        else:
            pieces = _WORD.split(files[path].decode())
            for _ in range(rng.randint(1, 2)):
                own = pieces[1::2]
                if own:
                    pieces[rng.randrange(1, len(pieces), 2)] = rng.choice(own if rng.random() < 0.3 else words)
            result[path] = "".join(pieces).encode()
    return result


def identity(found: Diagnostic) -> tuple[object, ...]:
    return (found.code, found.severity, found.path, found.key, found.message)


def whole_verdict(
    before: Mapping[str, bytes], contents: Mapping[str, bytes | None]
) -> tuple[Counter[tuple[object, ...]], Counter[tuple[object, ...]]]:
    """Return the new errors, and everything found in changed files, from checking all files before and after."""
    after = {path: content for path, content in {**before, **contents}.items() if content is not None}
    options = LintOptions(now_ms=NOW_MS)
    old, new = (lint(load_tree(files), options).diagnostics for files in (before, after))
    known = Counter(map(identity, old))
    errors: Counter[tuple[object, ...]] = Counter()
    for found in new:
        if known[identity(found)]:
            known[identity(found)] -= 1
        elif found.severity is Severity.ERROR:
            errors[identity(found)] += 1
    changed = {path for path, content in contents.items() if before.get(path) != content}
    return errors, Counter(identity(found) for found in new if found.path in changed)


def assert_same_verdict(workspace: Workspace, contents: Mapping[str, bytes | None]) -> bool:
    plan = make_plan(workspace, contents, NOW_MS)
    errors, found = whole_verdict(workspace.files, contents)
    assert Counter(map(identity, plan.errors)) == errors, contents
    if plan.files:
        assert Counter(map(identity, plan.diagnostics)) == found, contents
    return bool(errors)


def test_a_random_edit_of_small_repositories_brings_the_errors_that_checking_everything_finds(tmp_path: Path) -> None:
    rng = random.Random(5)
    repositories = [files_of(text) for text in all_fixture_texts()]
    refused = 0
    for number in range(scaled(200, 4_000)):
        files = rng.choice(repositories)
        words = sorted({word for text in files.values() for word in _WORD.findall(text.decode())})
        workspace = workspace_of(tmp_path / str(number), files)
        refused += assert_same_verdict(workspace, random_edit(rng, files, [*words, "0", "50", "100"]))
    assert refused > 30


def test_a_random_edit_of_a_large_repository_brings_the_errors_that_checking_everything_finds(tmp_path: Path) -> None:
    rng = random.Random(6)
    refused = 0
    for number in range(scaled(2, 8)):
        files = repository_to_files(random_repository(rng, 40))
        keys = sorted(path.rpartition("/")[2].removesuffix(".yaml") for path in files)
        words = sorted({word for text in files.values() for word in _WORD.findall(text.decode())})
        workspace = workspace_of(tmp_path / str(number), files)
        for _ in range(scaled(20, 100)):
            refused += assert_same_verdict(workspace, random_edit(rng, files, [*words, *keys * 5]))
    assert refused > 5


def test_a_file_that_breaks_a_rule_of_its_own_takes_the_key_of_another_one(tmp_path: Path) -> None:
    flag = "kind: flag\nkey: {}\nowner: team-a\ntype: number\nvalue: 1\n"
    config = b"kind: config\nversion: 1\nproject: p\nenvironments: {production: {}}\n"
    files = {"flagctl.yaml": config, **{f"{key}.yaml": flag.format(key).encode() for key in ("a", "b")}}
    workspace = workspace_of(tmp_path, files)
    assert assert_same_verdict(workspace, {"a.yaml": (flag.format("b") + "description: 0123\n").encode()})
    assert assert_same_verdict(workspace, {"a.yaml": (flag.format("b") + "value: 2\n").encode()})
