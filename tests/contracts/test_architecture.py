"""What a linter can't see about the architecture."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "flagctl").rglob("*.py"))

AUTHOR_SIDE = (
    "yaml",
    "boto3",
    "botocore",
    "git",
    "typer",
    "rich",
    "jsonschema",
    "jsonschema_rs",
    "redis",
    "openfeature",
    "ruamel",
    "numpy",
    "pyarrow",
)


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_the_runtime_loads_nothing_of_the_author_side() -> None:
    loaded = loaded_after("import flagctl; flagctl.Client; flagctl.load; flagctl.bucket")
    assert not loaded & set(AUTHOR_SIDE)


def test_help_loads_no_heavy_library_but_typer() -> None:
    code = (
        "import sys; sys.argv = ['flagctl', '--help']\n"
        "from flagctl.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass"
    )
    loaded = loaded_after(code)
    assert not loaded & (set(AUTHOR_SIDE) - {"typer"})


def test_every_public_name_can_be_imported() -> None:
    import flagctl

    for name in flagctl.__all__:
        assert getattr(flagctl, name) is not None
    assert dir(flagctl) == sorted(flagctl.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Clients'"):
        flagctl.Clients  # noqa: B018


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_modules_and_functions_keep_their_size(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400, "split the module"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            assert length <= 80, f"{node.name} has {length} lines"


def test_most_functions_are_short() -> None:
    lengths = sorted(
        node.end_lineno - node.lineno + 1
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno is not None
    )
    assert lengths[int(len(lengths) * 0.9)] <= 35


def test_the_version_is_written_once() -> None:
    import flagctl

    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"\b{re.escape(flagctl.__version__)}\b", changelog)


def test_nothing_in_the_repository_names_a_machine_or_a_private_key() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    words = ("/wor" + "k/", "/ro" + "ot/", "-----BEGIN " + "PRIVATE KEY-----\nM")
    for name in listed:
        path = ROOT / name.decode()
        if name and path.is_file():
            text = path.read_bytes().decode("utf-8", "replace")
            for word in words:
                assert word not in text, f"{path.relative_to(ROOT)} has {word!r}"
