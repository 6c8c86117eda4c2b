from __future__ import annotations

from pathlib import Path

import pytest

from flagctl.errors import UsageError
from flagctl.ops.loading import InvalidFlagsError
from flagctl.ops.owners import BEGIN, END, OwnersOptions, OwnersResult, owners
from flagctl.report.owners import render_owners
from flagctl.report.style import PLAIN
from tests.unit.vcs.test_git_repository import git, write

CONFIG = """\
version: 1
project: shop
environments: {production: {}}
owner: platform
owners:
  platform: "@acme/platform"
  web: {handle: "@acme/web", members: [ann]}
  data: data@example.com
"""


def flag(key: str, owner: str) -> str:
    return f"kind: flag\nkey: {key}\nowner: {owner}\ntype: boolean\ndefault: off\n"


def case(*keys: str) -> str:
    cases = "".join(f"  - {{name: {key}, flag: {key}, expect: {{value: false}}}}\n" for key in keys)
    return f"kind: test\ncases:\n{cases}"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    write(tmp_path, "flagctl.yaml", CONFIG)
    write(tmp_path, "web/a.yaml", flag("a", "web"))
    write(tmp_path, "web/sub/b.yaml", flag("b", "web"))
    write(tmp_path, "web/web.test.yaml", case("a", "b"))
    write(tmp_path, "mixed/c.yaml", flag("c", "web"))
    write(tmp_path, "mixed/d.yaml", flag("d", "data"))
    write(tmp_path, "mixed/all.test.yaml", case("c", "d"))
    write(tmp_path, "alone/e.yaml", flag("e", "data"))
    return tmp_path


LINES = (
    ("/web/", "@acme/web"),
    ("/alone/e.yaml", "data@example.com"),
    ("/flagctl.yaml", "@acme/platform"),
    ("/mixed/all.test.yaml", "@acme/platform"),
    ("/mixed/c.yaml", "@acme/web"),
    ("/mixed/d.yaml", "data@example.com"),
)


def run(root: Path, **more: object) -> OwnersResult:
    return owners(OwnersOptions(root=root, **more))  # type: ignore[arg-type]


def test_a_folder_of_one_owner_is_one_line_and_everything_else_a_line_of_its_own(repo: Path) -> None:
    assert run(repo).lines == LINES


def test_the_last_line_that_matches_a_file_is_its_owner_s(repo: Path) -> None:
    owner_of = {}
    for path in repo.rglob("*.yaml"):
        name = "/" + path.relative_to(repo).as_posix()
        owner_of[name] = [owner for pattern, owner in LINES if name == pattern or name.startswith(pattern)][-1]
    assert owner_of["/web/sub/b.yaml"] == "@acme/web"
    assert owner_of["/mixed/d.yaml"] == "data@example.com"
    assert len(owner_of) == 9 - 1


def test_writing_twice_changes_nothing_the_second_time(repo: Path) -> None:
    first = run(repo, write=True)
    assert (first.changed, first.written) == (True, True)
    text = Path(first.path).read_text()
    assert text == "\n".join([BEGIN, *(f"{a} {b}" for a, b in LINES), END]) + "\n"
    second = run(repo, write=True)
    assert (second.changed, second.written) == (False, False)
    assert "is up to date" in render_owners(second, PLAIN)


def test_lines_of_your_own_survive_on_both_sides(repo: Path) -> None:
    path = Path(run(repo, write=True).path)
    path.write_text(f"# ours\n* @acme/all\n\n{path.read_text()}\n/web/a.yaml @acme/security\n")
    write(repo, "mixed/d.yaml", flag("d", "web"))
    result = run(repo, write=True)
    assert result.missing == ("/mixed/ @acme/web",)
    text = path.read_text()
    assert text.startswith("# ours\n* @acme/all\n\n# BEGIN flagctl")
    assert text.endswith(f"{END}\n\n/web/a.yaml @acme/security\n")


def test_a_file_without_a_final_newline_gets_one(repo: Path) -> None:
    write(repo, ".github/CODEOWNERS", "* @acme/all")
    assert Path(run(repo, write=True).path).read_text().startswith("* @acme/all\n\n# BEGIN")


@pytest.mark.parametrize("place", ["CODEOWNERS", "docs/CODEOWNERS"])
def test_the_file_that_there_is_is_used(repo: Path, place: str) -> None:
    write(repo, place, "")
    assert run(repo).path == str(repo / place)
    write(repo, ".github/CODEOWNERS", "")
    assert run(repo).path == str(repo / ".github" / "CODEOWNERS")


def test_in_a_larger_repository_paths_begin_at_its_root(repo: Path, tmp_path: Path) -> None:
    inner = tmp_path / "config files"
    write(inner, "flagctl.yaml", CONFIG)
    write(inner, "x.yaml", flag("x", "web"))
    git(tmp_path, "init", "--quiet")
    result = run(inner)
    assert result.path == str(tmp_path / ".github" / "CODEOWNERS")
    assert result.lines == (
        ("/config\\ files/flagctl.yaml", "@acme/platform"),
        ("/config\\ files/x.yaml", "@acme/web"),
    )


def test_owners_without_a_handle_have_no_lines_and_are_named(repo: Path) -> None:
    write(repo, "web/f.yaml", flag("f", "webb"))
    result = run(repo)
    assert result.unmapped == ("webb",)
    assert [line for line in result.lines if "f.yaml" in line[0]] == []
    assert ("/web/a.yaml", "@acme/web") in result.lines


@pytest.mark.parametrize("text", [BEGIN, END, f"{END}\n{BEGIN}", f"{BEGIN}\n{BEGIN}\n{END}"])
def test_half_a_block_is_left_alone(repo: Path, text: str) -> None:
    write(repo, ".github/CODEOWNERS", text + "\n")
    with pytest.raises(UsageError, match="one pair"):
        run(repo, write=True)


def test_files_with_errors_are_no_ground_for_owners(repo: Path) -> None:
    write(repo, "web/a.yaml", "kind: flag\nkey: a\n")
    with pytest.raises(InvalidFlagsError):
        run(repo, write=True)


def test_without_owners_nothing_is_written(repo: Path) -> None:
    write(repo, "flagctl.yaml", CONFIG.partition("owner:")[0])
    result = run(repo, write=True)
    assert (result.lines, result.written, result.unmapped) == ((), False, ("data", "web"))
    assert not (repo / ".github").exists()
    assert "No file has an owner" in render_owners(result, PLAIN)


def test_another_order_is_a_difference_too(repo: Path) -> None:
    path = Path(run(repo, write=True).path)
    first, *lines, last = path.read_text().splitlines()
    path.write_text("\n".join([first, *lines[::-1], last]) + "\n")
    result = run(repo)
    assert (result.changed, result.missing, result.surplus) == (True, (), ())
    assert "in another order" in render_owners(result, PLAIN)


def test_a_file_that_cannot_be_read_is_told(repo: Path) -> None:
    (repo / ".github").mkdir()
    (repo / ".github" / "CODEOWNERS").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="UTF-8"):
        run(repo)
    (repo / "folder").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        run(repo, path=repo / "folder")
