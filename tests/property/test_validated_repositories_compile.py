"""What the linter lets pass, the compiler compiles, and the runtime accepts: the essential codes are the right ones."""

from __future__ import annotations

import random
import re

from flagctl.compiler import compile_environment
from flagctl.diagnostics import Severity
from flagctl.evaluator.document import check_structure, open_bundle
from flagctl.lint import LintOptions, lint
from flagctl.lint.suppressions import is_essential
from flagctl.source import load_tree
from tests.scale import scaled
from tests.unit.lint.repositories import NOW_MS, files_of
from tests.unit.lint.test_runner import all_fixture_texts

_WORD = re.compile(r"([\w.'\"/-]+)")


def mixed_up(rng: random.Random, files: dict[str, bytes], words: list[str]) -> dict[str, bytes]:
    """Exchange a few words of a few files: most often for one of the same file, so that much stays right."""
    result = dict(files)
    for path in rng.sample(sorted(files), min(len(files), 2)):
        pieces = _WORD.split(files[path].decode())
        for _ in range(rng.randint(0, 2)):
            own = pieces[1::2]
            if own:
                pieces[rng.randrange(1, len(pieces), 2)] = rng.choice(own if rng.random() < 0.5 else words)
        result[path] = "".join(pieces).encode()
    return result


def test_repositories_without_essential_findings_compile_in_every_environment():
    rng = random.Random(11)
    repositories = [files_of(text) for text in all_fixture_texts()]
    words = sorted({word for files in repositories for text in files.values() for word in _WORD.findall(text.decode())})
    compiled = 0
    for _ in range(scaled(400, 20_000)):
        loaded = load_tree(mixed_up(rng, rng.choice(repositories), [*words, "0", "50", "100"]))
        result = lint(loaded, LintOptions(now_ms=NOW_MS))
        errors = [d for d in result.diagnostics if d.severity is Severity.ERROR and is_essential(d.code)]
        if errors or loaded.repository is None:
            continue
        for environment in loaded.repository.config.environments:
            check_structure(open_bundle(compile_environment(loaded.repository, environment).data))
            compiled += 1
    assert compiled > 50
