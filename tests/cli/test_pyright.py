"""pyright reads generated accessors as mypy does; `.ci/pyright` brings it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = os.environ.get("FLAGCTL_PYRIGHT")

USE = """\
from shop_flags import Context, Flags
from flagctl import Client


def page(client: Client, user: Context) -> str:
    flags = Flags(client)
    if flags.search_ranking(user) == "v3":
        return "neural"
    limits = flags.http_client_timeouts(user)
    on: bool = flags.new_checkout_flow(user)
    return str(limits["connect"]) + str(on)


def number(client: Client, user: Context) -> int:
    match Flags(client).search_ranking(user):
        case "v1":
            return 1
        case "v2":
            return 2
        case "v3":
            return 3
"""


def pyright(folder: Path, **settings: Any) -> list[tuple[str, int, str]]:
    """Return what pyright says about a folder: rule, line from 1, and message."""
    node = shutil.which("node")
    assert node, "pyright needs Node.js"
    assert PROGRAM, "FLAGCTL_PYRIGHT names pyright's index.js; .ci/pyright sets it"
    (folder / "pyrightconfig.json").write_text(json.dumps({"pythonVersion": "3.11", **settings}))
    words = [node, PROGRAM, "--outputjson", "--pythonpath", sys.executable, "."]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return [(one.get("rule", ""), one["range"]["start"]["line"] + 1, one["message"]) for one in found]


@pytest.mark.pyright
def test_pyright_finds_a_removed_variant_and_a_wrong_key(cli: Any, example: Path, tmp_path: Path) -> None:
    folder = tmp_path / "code"
    module, use = folder / "shop_flags.py", folder / "use.py"
    cli("codegen", "python", "--out", str(module))
    use.write_text(USE)
    assert pyright(folder, typeCheckingMode="strict") == []
    text = module.read_text()
    assert 'Literal["v1", "v2", "v3"]' in text
    module.write_text(text.replace('Literal["v1", "v2", "v3"]', 'Literal["v1", "v2"]'))
    use.write_text(USE.replace('limits["connect"]', 'limits["conect"]'))
    for settings in ({"typeCheckingMode": "strict"}, {"reportUnnecessaryComparison": "error"}):
        said = pyright(folder, **settings)
        assert ("reportUnnecessaryComparison", 7) in {one[:2] for one in said}
        assert ("reportUnnecessaryComparison", 20) in {one[:2] for one in said}
        assert any("conect" in message and line == 11 for _, line, message in said)


@pytest.mark.pyright
def test_pyright_finds_a_new_variant_that_a_match_forgets(cli: Any, example: Path, tmp_path: Path) -> None:
    folder = tmp_path / "code"
    module = folder / "shop_flags.py"
    cli("codegen", "python", "--out", str(module))
    (folder / "use.py").write_text(USE)
    text = module.read_text().replace('Literal["v1", "v2", "v3"]', 'Literal["v1", "v2", "v3", "v4"]')
    module.write_text(text)
    # without any setting: the function would return nothing for it
    assert [(rule, line) for rule, line, _ in pyright(folder)] == [("reportReturnType", 14)]
