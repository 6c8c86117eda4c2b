"""Edits end to end: planned, validated, written or not, committed, and never lost."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flagctl.errors import ConflictError, FlagctlError, NothingMatchedError, UsageError
from flagctl.ops.edit import NewFlag
from flagctl.ops.edit_flags import CopyDownError
from flagctl.ops.edit_model import EditRefusedError
from flagctl.ops.edit_references import NeededError
from flagctl.ops.promote import promote
from flagctl.ops.repository import FlagRepository
from flagctl.resources import data_path
from flagctl.source import load_tree, read_tree
from flagctl.source.editing import Set

KEY = "new-checkout-flow"
PATH = f"checkout/{KEY}.yaml"


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(data_path("flags"), tmp_path / "shop" / "flags")
    git(tmp_path / "shop", "init", "-q", "-b", "main")
    git(tmp_path / "shop", "config", "user.name", "Jo Smith")
    git(tmp_path / "shop", "config", "user.email", "jo@acme.example")
    git(tmp_path / "shop", "add", ".")
    git(tmp_path / "shop", "commit", "-qm", "Flags")
    return tmp_path / "shop" / "flags"


@pytest.fixture
def repository(root: Path) -> FlagRepository:
    return FlagRepository(root, clock=lambda: 1_795_000_000.0)


def test_a_plan_writes_nothing_and_says_what_would_change(repository: FlagRepository, root: Path) -> None:
    before = (root / PATH).read_bytes()
    plan = repository.plan_edit(KEY, Set(("enabled",), False))
    assert [line for line in plan.patch.splitlines() if line[:1] in "+-"][2:] == ["+enabled: false"]
    assert plan.message == f"{KEY}: enabled → disabled"
    assert plan.review is not None
    assert {change.code for change in plan.review.diff.changes} == {"enabled-changed"}
    assert plan.review.impacts[KEY]["production"]
    assert (root / PATH).read_bytes() == before
    result = repository.apply(plan)
    assert result.written
    assert not repository.get_flag(KEY).enabled
    assert len((root / PATH).read_bytes()) == len(before) + len("enabled: false\n")


def test_an_edit_that_brings_errors_is_refused_with_the_errors(repository: FlagRepository, root: Path) -> None:
    before = read_tree(root)
    with pytest.raises(EditRefusedError) as caught:
        repository.remove_variant("payments-v2", "on")
    assert {found.path for found in caught.value.diagnostics} > {PATH}, "those who need the variant are looked at, too"
    assert read_tree(root) == before


def test_errors_that_were_there_before_stop_no_edit(root: Path) -> None:
    (root / "checkout" / "broken.yaml").write_text("kind: flag\nkey: broken\nowner: x\ntype: boolean\ndefault: maybe\n")
    repository = FlagRepository(root)
    assert repository.add_tags(KEY, ["new"]).written
    assert repository.update_flag("broken", owner="team-checkout").written
    with pytest.raises(EditRefusedError):
        repository.update_flag("broken", off="perhaps")


def test_a_plan_is_refused_once_its_file_changed(repository: FlagRepository, root: Path) -> None:
    plan = repository.plan_edit(KEY, Set(("default",), "on"))
    text = (root / PATH).read_text() + "# hand-made\n"
    (root / PATH).write_text(text)
    with pytest.raises(ConflictError, match="changed since it was read"):
        repository.apply(plan)
    with pytest.raises(ConflictError):
        FlagRepository(root).plan_text(PATH, "x", repository.digest(PATH))
    assert (root / PATH).read_text() == text
    repository.refresh()
    assert repository.apply(repository.plan_edit(KEY, Set(("default",), "on"))).written
    assert (root / PATH).read_text().endswith("# hand-made\n")


def test_a_commit_holds_the_edit_and_nothing_else(repository: FlagRepository, root: Path) -> None:
    (root / "README.md").write_text("something else\n")
    git(root, "add", "README.md")
    with repository.edit(commit=True, author="Kim <kim@acme.example>") as draft:
        draft.set_percentage(KEY, 20)
        draft.add_tags("payments-v2", ["q1"])
    assert draft.result is not None
    assert draft.result.commit == git(root, "rev-parse", "HEAD").strip()
    shown = git(root, "show", "--stat", "--format=%an|%B", "HEAD")
    assert shown.startswith("Kim|")
    assert "rule ramp" in shown
    assert "payments-v2: tags changed" in shown
    assert "2 files changed" in shown
    assert git(root, "status", "--short").split() == ["M", "README.md"], "what was staged still is"


def test_a_refused_commit_leaves_files_and_index_as_they_were(repository: FlagRepository, root: Path) -> None:
    hook = root.parent / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    before, status = read_tree(root), git(root, "status", "--short")
    with pytest.raises(FlagctlError), repository.edit(commit=True) as draft:  # noqa: PT012  what the block does is undone
        draft.create(NewFlag(key="brand-new", template="release", owner="team-new", folder="teams/new"))
        draft.set_enabled(KEY, False)
    assert read_tree(root) == before
    assert git(root, "status", "--short") == status
    assert not (root / "teams").exists()


def test_an_exception_inside_of_several_edits_leaves_everything(repository: FlagRepository, root: Path) -> None:
    before = read_tree(root)
    with pytest.raises(NothingMatchedError), repository.edit() as draft:  # noqa: PT012  the same
        draft.set_enabled(KEY, False)
        draft.set_enabled("no-such-flag", False)
    assert read_tree(root) == before


def test_a_branch_gets_the_commit_and_the_work_tree_stays(repository: FlagRepository, root: Path) -> None:
    head, before = git(root, "rev-parse", "HEAD"), read_tree(root)
    plan = repository.plan_edit(KEY, Set(("default",), "on"))
    first = repository.apply(plan, branch="ui/one", commit="Serve it", author="Kim <kim@acme.example>")
    assert git(root, "log", "-1", "--format=%an %s", "ui/one").strip() == "Kim Serve it"
    assert first.branch == "ui/one"
    assert git(root, "rev-parse", "HEAD") == head
    assert read_tree(root) == before
    with pytest.raises(ConflictError, match="on branch ui/one"):
        repository.apply(repository.plan_edit(KEY, Set(("name",), "Other")), branch="ui/one")
    there = repository.at("ui/one")
    assert there.get_flag(KEY).default == "on"
    there.apply(there.plan_edit(KEY, Set(("name",), "Checkout")), branch="ui/one")
    assert repository.at("ui/one").get_flag(KEY).name == "Checkout"
    with pytest.raises(UsageError, match="checked out"):
        repository.apply(plan, branch="main")


def test_an_environment_begins_with_a_copy_only_when_told(repository: FlagRepository) -> None:
    rule = {"id": "tenth", "serve": "on", "percentage": 10}
    with pytest.raises(CopyDownError, match="production has no rules of its own"):
        repository.add_rule(KEY, rule, env="production")
    repository.add_rule(KEY, rule, at=0, env="production", copy_down=True)
    flag = repository.get_flag(KEY)
    assert [r.id for r in flag.in_environment("production").rules] == ["tenth", *(r.id for r in flag.rules)]
    repository.inherit(KEY, "rules", "production")
    assert repository.get_flag(KEY).in_environment("production").rules == repository.get_flag(KEY).rules


def test_rules_are_moved_changed_and_removed(repository: FlagRepository) -> None:
    assert [r.id for r in repository.get_flag(KEY).rules] == ["employees", "beta-testers", "ramp"]
    repository.move_rule(KEY, "ramp", ("before", "beta-testers"))
    assert [r.id for r in repository.get_flag(KEY).rules] == ["employees", "ramp", "beta-testers"]
    result = repository.set_percentage(KEY, 12.5)
    assert "+    percentage: 12.5" in result.plan.patch
    assert result.plan.notes == (f"{KEY}: development and staging have 'rules' of their own and stay as they are",)
    with pytest.raises(NothingMatchedError, match="no rule 'half'") as caught:
        repository.set_percentage(KEY, 5, rule="half")
    assert caught.value.hint == "staging has one: --env staging"
    repository.set_rollout(KEY, {"on": 30, "off": 70}, rule="half", env="staging")
    assert repository.get_flag(KEY).in_environment("staging").rules[1].rollout is not None


def test_targets_are_never_listed_twice(repository: FlagRepository) -> None:
    result = repository.add_targets(KEY, "on", ["load-test", "user-7"])
    assert result.plan.notes[-1] == "load-test had off"
    targets = {target.variant: target.units for target in repository.get_flag(KEY).targets}
    assert targets == {"on": ("store-kiosk-01", "store-kiosk-02", "load-test", "user-7")}
    repository.remove_targets(KEY, ["user-7"])
    with pytest.raises(NothingMatchedError):
        repository.remove_targets(KEY, ["user-7"])


def test_a_flag_that_is_needed_is_not_deleted(repository: FlagRepository, root: Path) -> None:
    (root.parent / "app.py").write_text(f"if client.is_enabled({KEY!r}):\n    pass\n")
    git(root.parent, "add", "app.py")
    with pytest.raises(NeededError) as caught:
        repository.delete_flag(KEY)
    assert [(r.kind, r.path) for r in caught.value.references] == [
        ("flag", "checkout/checkout-express-buttons.yaml"),
        ("test", f"checkout/{KEY}.test.yaml"),
        ("code", "app.py"),
    ]
    result = repository.delete_flag(KEY, force=True)
    assert result.plan.errors
    assert {file.action for file in result.plan.files} == {"deleted"}
    assert KEY not in [flag.key for flag in repository.list_flags()]


def test_a_segment_that_is_needed_is_not_deleted(repository: FlagRepository) -> None:
    with pytest.raises(NeededError, match="segment early-adopters"):
        repository.delete("employees", kind="segment")


def test_an_archived_flag_gives_everybody_one_answer(repository: FlagRepository) -> None:
    with pytest.raises(UsageError, match="does not serve one variant everywhere"):
        repository.archive(KEY)
    repository.archive(KEY, serve="on", with_tests=True)
    flag = repository.get_flag(KEY)
    assert "archived" in flag.tags
    assert (flag.default, flag.rules, flag.targets, flag.prerequisites, flag.environments) == ("on", (), (), (), {})


@pytest.mark.parametrize("template", ["release", "kill-switch", "experiment", "config", "permission"])
def test_every_template_makes_a_valid_flag(repository: FlagRepository, template: str) -> None:
    values = {"metric": "order"} if template == "experiment" else {}
    new = NewFlag(key="brand-new", template=template, owner="team-growth", description="Try", values=values)
    result = repository.create(new)
    assert result.written
    assert result.plan.diagnostics == ()
    assert repository.get_flag("brand-new").owner == "team-growth"
    with pytest.raises(UsageError, match="already"):
        repository.create(new)


def test_a_repository_has_templates_of_its_own(root: Path) -> None:
    (root / "templates").mkdir()
    (root / "templates" / "release.yaml").write_text(
        "kind: flag\nkey: ${key}\nowner: ${owner}\ndescription: ${ticket}\ntype: boolean\ndefault: off # ours\n"
    )
    config = (root / "flagctl.yaml").read_text()
    (root / "flagctl.yaml").write_text(config + "exclude: [templates]\n")
    repository = FlagRepository(root)
    with pytest.raises(UsageError, match="needs ticket"):
        repository.create(NewFlag(key="ours", template="release", owner="team-growth"))
    repository.create(NewFlag(key="ours", template="release", owner="team-growth", values={"ticket": "a: b"}))
    assert repository.get_flag("ours").description == "a: b"
    with pytest.raises(NothingMatchedError, match="no template 'relase'"):
        repository.create(NewFlag(key="x", template="relase", owner="team-growth"))


def test_a_flag_can_be_made_from_data_and_copied(repository: FlagRepository, root: Path) -> None:
    data = {"key": "from-data", "type": "boolean", "owner": "team-search", "default": "off", "tags": ["no"]}
    result = repository.create_flag(data)
    assert result.plan.files[0].path == "search/from-data.yaml"
    text = (root / "search" / "from-data.yaml").read_text()
    assert 'tags: ["no"]\n' in text
    assert 'default: "off"\n' in text, "other readers of YAML would see a boolean"
    with pytest.raises(EditRefusedError):
        repository.create_flag({**data, "key": "wrong", "default": "maybe"})
    with pytest.raises(EditRefusedError):
        repository.create_flag({**data, "key": "Wrong Key"})


def test_a_flag_of_a_new_owner_goes_where_all_flags_are(tmp_path: Path) -> None:
    (tmp_path / "flags").mkdir()
    (tmp_path / "flagctl.yaml").write_text("kind: config\nversion: 1\nproject: p\nenvironments: {production: {}}\n")
    (tmp_path / "flags" / "a.yaml").write_text("kind: flag\nkey: a\nowner: team-a\ntype: boolean\ndefault: on\n")
    result = FlagRepository(tmp_path).create(NewFlag(key="b", owner="team-b"))
    assert [file.path for file in result.plan.files] == ["flags/b.yaml"]


def test_everything_of_an_owner_goes_to_another_one(repository: FlagRepository) -> None:
    result = repository.rename_owner("team-mobile", "team-apps")
    assert len(result.plan.files) == sum(flag.owner == "team-apps" for flag in repository.list_flags()) > 2
    with pytest.raises(NothingMatchedError):
        repository.rename_owner("team-mobile", "team-apps")


def test_members_of_segments_come_and_go(repository: FlagRepository) -> None:
    repository.add_members("beta-testers", ["user-2050", "user-1"], to="exclude")
    segment = repository.model.segments["beta-testers"]
    assert segment.exclude == ("user-2050", "user-1")
    assert "user-2050" not in segment.include
    repository.remove_members("beta-testers", ["user-2050", "user-1"], of="exclude")
    assert repository.model.segments["beta-testers"].exclude == ()


def test_what_a_flag_does_is_promoted_and_given_back(repository: FlagRepository) -> None:
    with repository.edit() as draft:
        promote(draft, [KEY], "staging", "production")
    flag = repository.get_flag(KEY)
    assert [rule.id for rule in flag.in_environment("production").rules] == ["testers", "half"]
    with repository.edit() as draft:
        promote(draft, [KEY], "staging", "production")
    assert not draft.result.plan.has_changes
    with repository.edit() as draft:
        promote(draft, [KEY], "development", "production")
    assert repository.get_flag(KEY).in_environment("production").default == "on"


def test_promoting_says_when_a_needed_flag_serves_something_else(repository: FlagRepository) -> None:
    repository.set_enabled("payments-v2", False, env="production")
    with repository.edit() as draft:
        promote(draft, [KEY], "staging", "production")
    assert any("needs payments-v2 to serve on" in note and "--with-needed" in note for note in draft.notes)
    with repository.edit() as draft:
        promote(draft, [KEY], "staging", "production", with_needed=True)
    assert not draft.notes
    assert repository.get_flag("payments-v2").in_environment("production").enabled


def test_links_out_of_the_repository_are_no_paths(repository: FlagRepository) -> None:
    for path in ("../evil.yaml", "/evil.yaml", "a/../../evil.yaml", ".hidden.yaml", "notes.txt"):
        plan = repository.plan_text(path, "kind: segment\nkey: evil\nowner: x\ninclude: [a]\n")
        with pytest.raises(UsageError):
            repository.apply(plan if not plan.errors else repository.plan_text(path, None))


def _add_targets(arguments: tuple[Path, int, int]) -> int:
    root, worker, count = arguments
    repository = FlagRepository(root)
    for number in range(count):
        repository.add_targets(KEY, "on", [f"unit-{worker}-{number}"])
    return count


def test_two_hundred_concurrent_edits_lose_nothing(tmp_path: Path) -> None:
    root = tmp_path
    (root / "checkout").mkdir()
    (root / "flagctl.yaml").write_text("version: 1\nproject: p\nenvironments: {production: {}}\n")
    (root / PATH).write_text(
        f"kind: flag\nkey: {KEY}\nowner: o\ntype: boolean\ndefault: off\ntargets: {{on: [first]}}\n"
    )
    context: Any = multiprocessing.get_context("spawn")
    with context.Pool(8) as pool:
        assert sum(pool.map(_add_targets, [(root, worker, 25) for worker in range(8)])) == 200
    loaded = load_tree(read_tree(root))
    assert not loaded.diagnostics
    units = loaded.repository.flags[KEY].targets[0].units
    assert set(units) == {"first"} | {f"unit-{w}-{n}" for w in range(8) for n in range(25)}
    assert len(units) == 201
    assert [path.name for path in (root / "checkout").iterdir() if path.name.startswith(".")] == []


def test_a_revision_is_edited_on_a_branch_only(repository: FlagRepository) -> None:
    past = repository.at("HEAD")
    with pytest.raises(UsageError, match="based on a git revision"):
        past.apply(past.plan_edit(KEY, Set(("default",), "on")))


def test_byte_order_mark_line_breaks_and_mode_stay(root: Path) -> None:
    place = root / PATH
    place.write_bytes(b"\xef\xbb\xbf" + place.read_bytes().replace(b"\n", b"\r\n"))
    place.chmod(0o640)
    FlagRepository(root).set_enabled(KEY, False, env="production")
    content = place.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf#")
    assert content.count(b"\n") == content.count(b"\r\n")
    assert content.endswith(b"  production:\r\n    enabled: false\r\n")
    assert place.stat().st_mode & 0o777 == 0o640


def test_a_reference_that_leads_nowhere_is_refused_with_the_name_that_was_meant(repository: FlagRepository) -> None:
    segment = next(iter(repository.model.segments))
    rule = {"id": "typo", "when": [{"segment": segment[:-1]}], "serve": "on"}
    plan = repository.plan_edit(KEY, Set(("rules",), [rule]))
    helps = [error.help for error in plan.errors if error.code == "REF102"]
    assert helps == [f"did you mean '{segment}'?"]
