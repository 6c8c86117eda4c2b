from __future__ import annotations

import os

import pytest

from flagctl.errors import UsageError
from flagctl.source import find_root, load_tree, read_tree
from flagctl.source.selection import glob_pattern

CONFIG = "version: 1\nproject: acme\nenvironments: {production: {}}\n"


@pytest.fixture
def tree(tmp_path):
    def write(path, text="kind: layer\nkey: a\n"):
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    write.root = tmp_path
    return write


def test_the_root_is_the_nearest_folder_above_with_a_configuration(tree):
    tree("flagctl.yaml", CONFIG)
    tree("a/b/c.yaml")
    assert find_root(tree.root / "a" / "b") == tree.root
    assert find_root(tree.root / "a" / "b" / "c.yaml") == tree.root
    assert find_root(tree.root) == tree.root


def test_the_nearest_configuration_wins(tree):
    tree("flagctl.yaml", CONFIG)
    tree("a/flagctl.yaml", CONFIG)
    tree("a/b/c.yaml")
    assert find_root(tree.root / "a" / "b") == tree.root / "a"


def test_the_search_ends_at_the_git_root_and_goes_down_into_its_flags(tree):
    tree("flagctl.yaml", CONFIG)
    tree("repository/.git/HEAD", "")
    tree("repository/src/deep/x.py")
    with pytest.raises(UsageError, match="git root") as caught:
        find_root(tree.root / "repository" / "src" / "deep")
    assert "flagctl init" in caught.value.hint
    tree("repository/flags/flagctl.yaml", CONFIG)
    assert find_root(tree.root / "repository" / "src" / "deep") == tree.root / "repository" / "flags"


def test_a_git_worktree_marks_its_root_by_a_file(tree):
    tree(".git", "gitdir: elsewhere")
    tree("flags/flagctl.yaml", CONFIG)
    tree("src/x.py")
    assert find_root(tree.root / "src") == tree.root / "flags"


def test_a_relative_start_is_looked_up_from_the_working_folder(tree, monkeypatch):
    tree("flagctl.yaml", CONFIG)
    monkeypatch.chdir(tree.root)
    assert find_root(type(tree.root)()) == tree.root


def test_a_start_that_does_not_exist_is_a_usage_error(tree):
    with pytest.raises(UsageError, match="does not exist"):
        find_root(tree.root / "nowhere")
    with pytest.raises(UsageError, match="not a folder"):
        read_tree(tree.root / "nowhere")


def test_all_yaml_files_are_read_but_excluded_hidden_and_foreign_ones(tree):
    tree("flagctl.yaml", CONFIG + "exclude: [drafts/, '*.tmp.yaml', 'a/x-*.yaml', '/top.yaml']\n")
    for path in ("a.yaml", "b.yml", "c.json", "t.test.yaml", "a/y.yaml", "deep/er/est.yaml", "deep/top.yaml"):
        tree(path)
    for path in (".github/w.yaml", ".hidden.yaml", "a/.cache/x.yaml", "drafts/x.yaml", "a/drafts/b/x.yaml", "z.tmp.yaml", "a/z.tmp.yaml", "a/x-1.yaml", "top.yaml", "other/flagctl.yaml", "other/o.yaml"):  # fmt: skip
        tree(path)
    files = read_tree(tree.root)
    assert list(files) == [
        "a.yaml",
        "a/y.yaml",
        "b.yml",
        "deep/er/est.yaml",
        "deep/top.yaml",
        "flagctl.yaml",
        "t.test.yaml",
    ]
    assert files["a.yaml"] == b"kind: layer\nkey: a\n"


def test_loading_a_revision_leaves_out_the_same_files(tree):
    tree("flagctl.yaml", CONFIG + "exclude: [drafts]\n")
    for path in ("a.yaml", "drafts/x.yaml", ".x/y.yaml", "other/flagctl.yaml", "other/o.yaml"):
        tree(path)
    everything = {
        path.relative_to(tree.root).as_posix(): path.read_bytes() for path in tree.root.rglob("*") if path.is_file()
    }
    assert set(load_tree(everything).documents) == set(read_tree(tree.root)) == {"a.yaml", "flagctl.yaml"}


def test_links_are_followed_but_not_in_circles(tree):
    tree("flagctl.yaml", CONFIG)
    tree("a/x.yaml")
    (tree.root / "a" / "loop").symlink_to(tree.root)
    (tree.root / "b").symlink_to(tree.root / "a", target_is_directory=True)
    assert list(read_tree(tree.root)) == ["a/x.yaml", "b/x.yaml", "flagctl.yaml"]


def test_a_dangling_link_is_passed_over(tree):
    tree("flagctl.yaml", CONFIG)
    (tree.root / "x.yaml").symlink_to(tree.root / "nowhere")
    for name in ("itself", "itself.yaml"):
        (tree.root / name).symlink_to(tree.root / name)
    assert list(read_tree(tree.root)) == ["flagctl.yaml"]


def test_a_folder_named_like_a_file_is_walked(tree):
    tree("flagctl.yaml", CONFIG)
    tree("odd.yaml/x.yaml")
    assert list(read_tree(tree.root)) == ["flagctl.yaml", "odd.yaml/x.yaml"]


def test_a_file_that_cannot_be_read_is_a_usage_error_that_names_it(tree, monkeypatch):
    tree("flagctl.yaml", CONFIG)
    target = str(tree("a.yaml"))
    real = os.open

    def refuse(path, flags):
        if path == target:
            raise PermissionError(13, "Permission denied", path)
        return real(path, flags)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UsageError, match=r"a\.yaml cannot be read: Permission denied"):
        read_tree(tree.root)


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 200_000])
def test_a_long_file_is_read_to_its_end(tree, size):
    tree("flagctl.yaml", CONFIG)
    content = b"kind: layer\nkey: a\n".ljust(size, b"#")
    tree("a.yaml").write_bytes(content)
    assert read_tree(tree.root)["a.yaml"] == content


def test_a_huge_file_is_not_read_whole(tree):
    tree("flagctl.yaml", CONFIG)
    with tree("a.yaml").open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    files = read_tree(tree.root)
    assert len(files["a.yaml"]) < 6 * 1024 * 1024
    assert [f.code for f in load_tree(files).diagnostics] == ["SYN117"]


def test_a_file_name_that_is_no_text_is_shown_as_far_as_possible(tree):
    tree("flagctl.yaml", CONFIG)
    try:
        with open(os.fsencode(tree.root) + b"/b\xff.yaml", "wb") as file:  # noqa: PTH123  pathlib takes no bytes
            file.write(b"kind: layer\nkey: b\n")
    except OSError:  # a file system that refuses such names
        return
    assert list(read_tree(tree.root)) == ["b\ufffd.yaml", "flagctl.yaml"]


def test_a_folder_without_configuration_is_read_too(tree):
    tree("a.yaml")
    assert list(read_tree(tree.root)) == ["a.yaml"]


@pytest.mark.parametrize("config", ["exclude: 5\n", "exclude: [5, '']\n", "exclude: [", "\xff"])
def test_a_wrong_exclusion_excludes_nothing(config, tree):
    tree("flagctl.yaml", config)
    tree("a.yaml")
    assert list(read_tree(tree.root)) == ["a.yaml", "flagctl.yaml"]


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("drafts", "drafts/x.yaml", True),
        ("drafts", "a/drafts/x.yaml", True),
        ("drafts", "drafts.yaml", False),
        ("drafts/", "a/drafts/x/y.yaml", True),
        ("/drafts", "a/drafts/x.yaml", False),
        ("a/drafts", "a/drafts/x.yaml", True),
        ("a/drafts", "b/a/drafts/x.yaml", False),
        ("*.tmp.yaml", "a/b.tmp.yaml", True),
        ("a/*.yaml", "a/b.yaml", True),
        ("a/*.yaml", "a/b/c.yaml", False),
        ("a/**/c.yaml", "a/c.yaml", True),
        ("a/**/c.yaml", "a/b/b/c.yaml", True),
        ("**/c.yaml", "c.yaml", True),
        ("a/**", "a/b/c.yaml", True),
        ("?.yaml", "a.yaml", True),
        ("?.yaml", "ab.yaml", False),
        ("./a.yaml", "a.yaml", True),
        ("a+b[1].yaml", "a+b[1].yaml", True),
    ],
)
def test_globs_exclude_what_people_expect(glob, path, matches):
    assert bool(glob_pattern(glob).match(path)) == matches
