"""What single edits write: lists that empty, environments of their own, and refusals that say what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flagctl.errors import NothingMatchedError, UsageError
from flagctl.ops.edit import Draft, NewFlag
from flagctl.ops.edit_flags import CopyDownError
from flagctl.ops.workspace import Workspace

FILES = {
    "flagctl.yaml": "version: 1\nproject: shop\nowner: web\nenvironments: {staging: {}, production: {}}\n",
    "colour.yaml": """\
kind: flag
key: colour
owner: web
tags: [ui]
type: string
variants: {red: r, blue: b, green: g}
off: red
default: blue
lifecycle: {temporary: true, expires: 2027-01-31}
rules:
  - id: only
    when: [{attribute: country, operator: in, value: [DE]}]
    serve: green
environments:
  staging:
    targets: {red: [7, "8"]}
    default: green
""",
    "limit.yaml": "kind: flag\nkey: limit\nowner: web\ntype: number\nvalue: 5\n",
    "plain.yaml": "kind: flag\nkey: plain\nowner: web\ntype: boolean\ndefault: off\n",
    "needy.yaml": """\
kind: flag
key: needy
owner: web
type: boolean
default: on
prerequisites: [{flag: colour, variants: [red]}]
rules:
  - {id: a, serve: on, percentage: 5}
  - {id: b, serve: on, percentage: 50}
  - {id: c, serve: off}
""",
    "people.yaml": "kind: segment\nkey: people\nowner: web\ninclude: [ada]\n",
}


@pytest.fixture
def make(tmp_path: Path) -> Callable[[], Draft]:
    for path, text in FILES.items():
        (tmp_path / path).write_text(text)
    return lambda: Draft(Workspace(tmp_path), 1_795_000_000_000)


@pytest.fixture
def draft(make: Callable[[], Draft]) -> Draft:
    return make()


def lines(draft: Draft) -> list[str]:
    """Return the lines that a draft changes, each with what becomes of it; it brings no error."""
    plan = draft.plan()
    assert plan.errors == ()
    return [line for line in plan.patch.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}]


# --- on and off, values, schedules ---


def test_an_environment_is_switched_off_by_itself(draft: Draft) -> None:
    draft.set_enabled("plain", False, env="production")
    assert lines(draft) == ["+environments:", "+  production:", "+    enabled: false"]
    assert draft.titles == ["Disable plain in production"]


def test_what_environments_say_otherwise_is_noted(draft: Draft) -> None:
    draft.set_default("colour", "red")
    assert lines(draft) == ["-default: blue", "+default: red"]
    assert draft.notes == ["colour: staging has 'default' of its own and stays as it is"]
    draft.set_off("colour", "blue", env="staging")
    draft.set_off("colour", "blue", env="production")
    draft.set_off("colour", "green")
    assert draft.notes[-1] == "colour: staging and production have 'off' of their own and stay as they are"


def test_a_flag_with_one_value_gets_another_one_and_no_variant(draft: Draft) -> None:
    draft.set_value("limit", 7, env="staging")
    assert lines(draft) == ["+environments:", "+  staging:", "+    value: 7"]
    with pytest.raises(UsageError, match="has variants, not one value"):
        draft.set_value("colour", "x")
    with pytest.raises(UsageError, match="one value, no variants"):
        draft.add_variant("limit", "high", 9)


def test_a_schedule_comes_and_goes_for_a_flag_and_for_a_rule(draft: Draft) -> None:
    draft.set_schedule("plain", start="2027-01-01T00:00:00Z", end="2027-02-01T00:00:00Z", env="staging")
    draft.set_schedule("colour", end="2027-02-01T00:00:00Z", rule="only")
    assert draft.value("plain.yaml", ("environments", "staging", "schedule")) == {
        "from": "2027-01-01T00:00:00Z",
        "until": "2027-02-01T00:00:00Z",
    }
    assert draft.value("colour.yaml", ("rules", 0, "schedule")) == {"until": "2027-02-01T00:00:00Z"}
    draft.set_schedule("plain", env="staging")
    draft.set_schedule("plain")
    draft.set_schedule("colour", rule="only")
    assert lines(draft) == []


def test_an_environment_without_a_list_of_its_own_has_nothing_to_give_back(draft: Draft) -> None:
    draft.inherit("colour", "default", "staging")
    draft.inherit("colour", "targets", "staging")
    assert "environments" not in draft.data("colour.yaml")
    with pytest.raises(NothingMatchedError, match="no rules of its own in staging"):
        draft.inherit("colour", "rules", "staging")
    with pytest.raises(UsageError, match="no environment 'stagin'") as caught:
        draft.inherit("colour", "rules", "stagin")
    assert caught.value.hint == "did you mean 'staging'?"


# --- for people ---


def test_what_is_for_people_comes_and_goes(draft: Draft) -> None:
    draft.set_about("plain", "name", "Plain")
    draft.set_about("plain", "description", None)
    draft.set_about("people", "description", "Us", kind="segment")
    draft.set_about("people", "description", None, kind="segment")
    assert lines(draft) == ["+name: Plain"]


def test_tags_are_kept_once_and_the_last_one_takes_the_list_with_it(draft: Draft) -> None:
    draft.add_tags("colour", ["ui", "new"])
    draft.add_tags("plain", ["new"])
    assert draft.value("colour.yaml", ("tags",)) == ["ui", "new"]
    draft.remove_tags("plain", ["new"])
    draft.remove_tags("colour", ["new"])
    assert lines(draft) == []
    with pytest.raises(NothingMatchedError) as caught:
        draft.remove_tags("colour", ["ui", "old"])
    assert caught.value.hint == "it has: none"


def test_an_expiry_keeps_what_else_is_said_and_goes_with_it(draft: Draft) -> None:
    draft.set_expiry("colour", "2028-02-29")
    assert lines(draft) == [
        "-lifecycle: {temporary: true, expires: 2027-01-31}",
        "+lifecycle: {temporary: true, expires: 2028-02-29}",
    ]
    draft.set_expiry("colour", None)
    draft.set_expiry("plain", None)
    assert "lifecycle" not in draft.data("colour.yaml")
    for wrong in ("soon", "2027-02-29", "2027-1-1"):
        with pytest.raises(UsageError, match="is no date"):
            draft.set_expiry("plain", wrong)


# --- targets and prerequisites ---


def test_a_target_that_moves_is_taken_from_the_other_variant_whatever_its_type(draft: Draft) -> None:
    draft.add_targets("colour", "blue", ["7", "9"], env="staging")
    assert draft.value("colour.yaml", ("environments", "staging", "targets")) == {"red": ["8"], "blue": ["7", "9"]}
    assert draft.notes == ["7 had red"]
    draft.remove_targets("colour", ["8"], env="staging")
    assert draft.value("colour.yaml", ("environments", "staging", "targets")) == {"blue": ["7", "9"]}
    draft.remove_targets("colour", ["7", "9"], env="staging")
    assert draft.value("colour.yaml", ("environments", "staging", "targets"), "none") == {}, "it means nobody there"
    with pytest.raises(NothingMatchedError, match="9 is no target of colour in staging"):
        draft.remove_targets("colour", ["9"], env="staging")


def test_a_prerequisite_is_replaced_added_and_removed(draft: Draft) -> None:
    draft.add_prerequisite("needy", "colour", ["red", "green"])
    draft.add_prerequisite("needy", "plain", ["off"])
    assert draft.value("needy.yaml", ("prerequisites",)) == [
        {"flag": "colour", "variants": ["red", "green"]},
        {"flag": "plain", "variants": ["off"]},
    ]
    draft.remove_prerequisite("needy", "colour")
    draft.remove_prerequisite("needy", "plain")
    assert "prerequisites" not in draft.data("needy.yaml")
    with pytest.raises(NothingMatchedError, match="needy does not need plain"):
        draft.remove_prerequisite("needy", "plain")
    with pytest.raises(UsageError, match="has no variant 'gren'") as caught:
        draft.add_prerequisite("needy", "colour", ["gren"])
    assert caught.value.hint == "did you mean 'green'?"


def test_an_environment_gets_a_copy_of_one_or_several_entries(draft: Draft) -> None:
    with pytest.raises(CopyDownError, match="one of the prerequisites"):
        draft.add_prerequisite("needy", "plain", ["off"], env="staging")
    with pytest.raises(CopyDownError, match="3 rules"):
        draft.remove_rule("needy", "a", env="staging")
    draft.add_prerequisite("needy", "plain", ["off"], env="staging", copy_down=True)
    assert len(draft.value("needy.yaml", ("environments", "staging", "prerequisites"))) == 2
    assert draft.notes == ["needy: staging now has prerequisites of its own, a copy of those of all environments"]


# --- rules ---


def test_a_rule_with_a_name_that_is_taken_or_a_place_that_is_not_there_is_refused(draft: Draft) -> None:
    with pytest.raises(UsageError, match="has a rule 'only' already"):
        draft.add_rule("colour", {"id": "only", "serve": "red"})
    for place in (-1, 2):
        with pytest.raises(UsageError, match=f"no place {place + 1} "):
            draft.add_rule("colour", {"id": "new", "serve": "red"}, at=place)
    with pytest.raises(NothingMatchedError) as caught:
        draft.add_rule("colour", {"id": "new", "serve": "red"}, at=("after", "none"))
    assert caught.value.hint == "there are: only"


def test_rules_go_before_and_behind_others_and_the_last_one_takes_the_list_with_it(draft: Draft) -> None:
    draft.add_rule("colour", {"id": "last", "serve": "red"})
    draft.add_rule("colour", {"id": "first", "serve": "red"}, at=("before", "only"))
    draft.add_rule("colour", {"id": "second", "serve": "red"}, at=("after", "first"))
    draft.move_rule("colour", "only", None)
    draft.move_rule("colour", "first", 0)
    assert [rule["id"] for rule in draft.value("colour.yaml", ("rules",))] == ["first", "second", "last", "only"]
    for name in ("first", "second", "last", "only"):
        draft.remove_rule("colour", name)
    assert "rules" not in draft.data("colour.yaml")
    draft.add_rule("plain", {"id": "one", "serve": "on"}, env="staging")
    draft.remove_rule("plain", "one", env="staging")
    assert draft.value("plain.yaml", ("environments", "staging", "rules"), "none") == [], "it means none there"


def test_a_rule_that_is_not_named_is_the_only_one_or_asked_for(draft: Draft) -> None:
    with pytest.raises(UsageError, match="which rule of needy") as several:
        draft.set_percentage("needy", 10)
    assert several.value.message.endswith("There are: a, b")
    with pytest.raises(NothingMatchedError, match="plain has no rules in staging"):
        draft.set_percentage("plain", 10, env="staging")
    draft.set_percentage("colour", 10)
    assert lines(draft) == ["+    percentage: 10"]
    draft.set_in_rule("colour", ("only", "percentage"), None)
    draft.set_in_rule("colour", ("only", "percentage"), None)
    assert lines(draft) == []
    with pytest.raises(NothingMatchedError) as close:
        draft.set_percentage("colour", 10, rule="onli")
    assert close.value.hint == "did you mean 'only'?"


def test_a_rollout_takes_the_place_of_what_was_served(draft: Draft) -> None:
    draft.set_rollout("colour", {"red": 25, "blue": 75})
    draft.set_rollout("colour", {"red": 50, "green": 50}, rule="default", env="staging")
    draft.set_rollout("needy", {"on": 99.5, "off": 0.5}, rule="a")
    draft.set_rollout("needy", {"on": {"from": 0, "to": 10}, "off": {"from": 10, "to": 100}}, rule="c")
    assert draft.value("colour.yaml", ("default",)) == {"rollout": {"red": 25, "blue": 75}}
    draft.set_rollout("colour", {"red": 24, "blue": 76})
    assert draft.value("colour.yaml", ("environments", "staging", "default")) == {"rollout": {"red": 50, "green": 50}}
    assert draft.value("needy.yaml", ("rules", 0)) == {"id": "a", "rollout": {"on": 99.5, "off": 0.5}}
    with pytest.raises(UsageError, match=r"add up to 99 %, not to 100 %"):
        draft.set_rollout("colour", {"red": 24, "blue": 75})


# --- documents ---


def test_a_new_flag_of_each_type_is_the_smallest_that_is_valid(draft: Draft) -> None:
    for kind, value in (("string", ""), ("number", 0), ("json", {})):
        draft.create(NewFlag(key=f"new-{kind}", type=kind, tags=("x",), expires="2027-03-31"))
        data = draft.data(f"new-{kind}.yaml")
        assert (data["type"], data["value"], data["tags"]) == (kind, value, ["x"])
        assert data["lifecycle"]["expires"] == "2027-03-31"
        assert "description" not in data
    assert draft.plan().errors == ()
    assert draft.titles == ["Create new-string", "Create new-number", "Create new-json"]
    with pytest.raises(UsageError, match="'text' is no type of flags"):
        draft.create(NewFlag(key="x", type="text"))


def test_a_new_document_needs_an_owner_a_kind_a_key_and_a_free_place(draft: Draft, tmp_path: Path) -> None:
    assert draft.create_document({"kind": "segment", "key": "others", "owner": "web", "include": ["x"]}) == (
        "segments/others.yaml"
    )
    assert lines(draft)[:2] == ["+kind: segment", "+key: others"]
    with pytest.raises(UsageError, match="needs a kind and a key"):
        draft.create_document({"kind": "song", "key": "x"})
    with pytest.raises(UsageError, match=r"there is a segment 'people' already: people.yaml"):
        draft.create_document({"kind": "segment", "key": "people", "owner": "web"})
    (tmp_path / "taken.yaml").write_text("kind: layer\nkey: other\n")
    (tmp_path / "flagctl.yaml").write_text(FILES["flagctl.yaml"].replace("owner: web\n", ""))
    again = Draft(Workspace(tmp_path), 0)
    with pytest.raises(UsageError, match=r"there is a file taken.yaml already"):
        again.create_document({"key": "taken", "type": "boolean", "default": "off", "owner": "web"}, folder="/")
    with pytest.raises(UsageError, match="who owns the flag"):
        again.create(NewFlag(key="x"))


def test_an_archived_flag_without_variants_keeps_its_value_for_everybody(draft: Draft) -> None:
    draft.set_value("limit", 7, env="staging")
    draft.archive("limit")
    assert lines(draft) == ["+tags: [archived]"]


def test_an_archived_flag_that_is_off_everywhere_goes_on_serving_what_it_serves_then(draft: Draft) -> None:
    draft.set_enabled("colour", False)
    draft.archive("colour")
    data = draft.data("colour.yaml")
    assert (data["default"], data["off"], data["tags"]) == ("red", "red", ["ui", "archived"])
    assert not {"enabled", "rules", "environments"} & data.keys()
    draft.set_enabled("plain", False)
    draft.archive("plain")
    assert draft.value("plain.yaml", ("default",)) == "off"


def test_an_owner_is_renamed_where_owners_are_described(make: Callable[[], Draft], tmp_path: Path) -> None:
    config = FILES["flagctl.yaml"] + "owners:\n  web: {contact: web@acme.example}\n"
    (tmp_path / "flagctl.yaml").write_text(config)
    draft = make()
    draft.rename_owner("web", "shop-front")
    assert draft.value("flagctl.yaml", ("owners",)) == {"shop-front": {"contact": "web@acme.example"}}
    assert draft.value("people.yaml", ("owner",)) == "shop-front"
    (tmp_path / "flagctl.yaml").write_text(config + "  apps: {contact: apps@acme.example}\n")
    other = make()
    other.rename_owner("web", "apps")
    assert other.value("flagctl.yaml", ("owners",)) == {"apps": {"contact": "apps@acme.example"}}


def test_members_that_are_there_stay_and_those_that_are_not_are_named(draft: Draft) -> None:
    draft.add_members("people", ["ada"])
    assert lines(draft) == []
    with pytest.raises(NothingMatchedError, match="bob, eve is not in 'include' of segment people"):
        draft.remove_members("people", ["bob", "ada", "eve"])
    draft.add_members("people", ["bob"])
    draft.add_members("people", ["ada"], to="exclude")
    assert lines(draft) == ["-include: [ada]", "+include: [bob]", "+exclude: [ada]"]


def test_any_value_is_set_and_removed_by_its_path_but_for_what_names_the_document(draft: Draft) -> None:
    draft.set_path("colour", "rules[only].when[0].value", ["AT"])
    draft.unset_path("colour", "environments.staging.default")
    assert lines(draft) == [
        "-    when: [{attribute: country, operator: in, value: [DE]}]",
        "+    when: [{attribute: country, operator: in, value: [AT]}]",
        "-    default: green",
    ]
    for path in ("key", "kind"):
        with pytest.raises(UsageError, match="never changes"):
            draft.set_path("colour", path, "x")
    with pytest.raises(NothingMatchedError, match="colour has no name"):
        draft.unset_path("colour", "name")


def test_a_document_that_cannot_be_read_is_named_when_it_is_meant(make: Callable[[], Draft], tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("kind: flag\nkey: [\n")
    (tmp_path / "other-name.yaml").write_text("kind: segment\nkey: folks\nowner: web\ninclude: [x]\n")
    draft = make()
    with pytest.raises(UsageError, match=r"broken.yaml has errors"):
        draft.set_enabled("broken", False)
    draft.add_members("folks", ["y"])
    assert draft.find("folks", "segment") == "other-name.yaml"
    with pytest.raises(NothingMatchedError, match="no segment 'broken'") as caught:
        draft.find("broken", "segment")
    assert caught.value.hint is None
    with pytest.raises(NothingMatchedError, match=r"no file none.yaml"):
        draft.text("none.yaml")
