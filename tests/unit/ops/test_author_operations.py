"""Operations on flag files: loading, listing, graphs, places, test running, contexts."""

from __future__ import annotations

from pathlib import Path

import pytest

from flagctl.errors import ConflictError, NothingMatchedError, UsageError
from flagctl.model import Environment
from flagctl.ops.contexts import parse_context, parse_default, parse_instant_option
from flagctl.ops.coverage import Coverage
from flagctl.ops.graph import GraphOptions, build_graph, impact
from flagctl.ops.listing import describe_default, percent
from flagctl.ops.loading import InvalidFlagsError, checked, find_flag, load, readable
from flagctl.ops.places import Places
from flagctl.ops.publishing import Origin, check_may_publish
from flagctl.ops.repository import FlagRepository
from flagctl.ops.rules import select_rules
from flagctl.ops.testing import TestOptions, contexts_of, run_tests, same_json
from flagctl.ops.validate import select_paths

NOW = 1_790_000_000_000
CONFIG = "version: 1\nproject: shop\nenvironments: {staging: {}, production: {protected: true}}\n"
BASE = "kind: flag\nkey: base\nowner: t\ntype: boolean\ndefault: on\n"
CHILD = """kind: flag
key: child
owner: t
type: string
variants: {red: r, blue: b}
off: red
default: red
prerequisites: [{flag: base, variants: [on]}]
rules:
  - id: late
    priority: 5
    serve: blue
    percentage: 50
  - id: first
    when:
      - {segment: us}
      - any:
          - {attribute: plan, operator: equals, value: pro}
          - not: {attribute: plan, operator: exists}
    serve: blue
environments:
  production:
    default: blue
    rules:
      - id: only
        when: [{attribute: plan, operator: equals, value: pro}]
        serve: red
"""
GRANDCHILD = "kind: flag\nkey: grandchild\nowner: t\ntype: boolean\ndefault: on\nprerequisites: [{flag: child, variants: [blue]}]\n"
CONTENT = "kind: flag\nkey: content\nowner: t\ntype: boolean\ndefault: on\nprerequisites: [{flag: child, variants: [red, blue]}]\n"
SEGMENT = "kind: segment\nkey: us\nowner: t\nwhen:\n  - {attribute: email, operator: ends_with, value: '@x.org'}\n"
TESTS = """kind: test
flag: child
context: {plan: free, country: DE}
cases:
  - name: matrix
    environment: production
    context: {plan: pro}
    contexts: [{targeting_key: a}, {targeting_key: b, country: FR}]
    matrix: {plan: [pro, free], beta: [true, false]}
    expect: {value: r}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in {
        "flagctl.yaml": CONFIG,
        "base.yaml": BASE,
        "child.yaml": CHILD,
        "grandchild.yaml": GRANDCHILD,
        "content.yaml": CONTENT,
        "us.yaml": SEGMENT,
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_flags_off_take_with_them_whoever_does_not_accept_what_they_serve(root: Path) -> None:
    result = impact(GraphOptions(root=root, key="base"))
    assert [(flag.key, flag.chain) for flag in result.affected] == [
        ("child", ("base", "child")),
        ("grandchild", ("base", "child", "grandchild")),
    ]
    assert result.unaffected == ("content",)
    assert result.serves == (("staging", "off"), ("production", "off"))


def test_a_graph_says_in_which_environments_an_edge_holds(root: Path) -> None:
    edges = {(edge.source.key, edge.target.key): edge for edge in build_graph(GraphOptions(root=root)).edges}
    assert edges["child", "base"].environments == ()
    assert edges["child", "us"].environments == ("staging",)
    around = build_graph(GraphOptions(root=root, key="grandchild", environment="production"))
    assert {node.key for node in around.nodes} == {"grandchild", "child", "base"}


def test_places_lead_from_compiled_positions_to_the_lines_of_the_environment(root: Path) -> None:
    loaded = load(root)
    lines = CHILD.splitlines()

    def line(environment: str, *route: str | int) -> str:
        place = Places(loaded, environment).of_flag("child", route)
        assert place is not None
        assert place.path == "child.yaml"
        return lines[place.line - 1].strip()

    assert line("staging", "rules", 0) == "- id: first"  # priority sorts it before the one above
    assert line("staging", "rules", 1, "percentage") == "percentage: 50"
    assert line("staging", "rules", 0, "when", 1, "any", 0).startswith("- {attribute: plan, operator: equals")
    assert line("staging", "rules", 0, "when", 1, "any", 1, "not").startswith("- not:")
    assert line("staging", "default") == "default: red"
    assert line("production", "default") == "default: blue"
    assert line("production", "rules", 0) == "- id: only"
    assert line("production", "prerequisites", 0).startswith("prerequisites:")
    segment = Places(loaded, "staging").of_segment("us", ("when", 0))
    assert segment is not None
    assert str(segment) == "us.yaml:5"
    assert Places(loaded, "staging").of_flag("nobody", ()) is None
    assert Places(loaded, "staging").of_segment("nobody", ()) is None


def test_contexts_of_a_case_are_every_combination_over_the_others(root: Path) -> None:
    (root / "child.test.yaml").write_text(TESTS)
    loaded = load(root)
    [suite] = loaded.tests
    contexts = list(contexts_of(suite, suite.cases[0]))
    assert len(contexts) == 8
    assert contexts[0] == {"plan": "pro", "country": "DE", "targeting_key": "a", "beta": True}
    assert contexts[-1] == {"plan": "free", "country": "FR", "targeting_key": "b", "beta": False}


def test_a_run_counts_every_evaluation_and_explains_every_failure(root: Path) -> None:
    (root / "child.test.yaml").write_text(TESTS)
    result = run_tests(TestOptions(root=root, now_ms=NOW, coverage=True))
    [case] = result.cases
    assert (case.evaluations, len(case.failures)) == (8, 4)
    assert {failure.context["plan"] for failure in case.failures} == {"free"}
    assert str(case.failures[0].decided_at) == "child.yaml:23"
    assert isinstance(result.coverage, Coverage)
    flag = next(flag for flag in result.coverage.flags if flag.key == "child")
    assert set(flag.missed_rules) == {"late", "first"}
    assert flag.missed_variants == ()


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (False, 0, False),
        ([1, True], [1.0, True], True),
        ([1], [True], False),
        ({"a": [1]}, {"a": [1.0]}, True),
        ({"a": 1}, {"b": 1}, False),
        (None, None, True),
        (None, 0, False),
        ("1", 1, False),
    ],
)
def test_expected_values_compare_as_json(one: object, other: object, equal: bool) -> None:
    assert same_json(one, other) is equal


def test_contexts_instants_and_defaults_as_typed() -> None:
    assert parse_context(None, lambda: "") == {}
    assert parse_context("-", lambda: '{"a": 1}') == {"a": 1}
    assert parse_instant_option(None, 5) == 5
    assert parse_instant_option("now", 5) == 5
    assert parse_instant_option("1970-01-01T00:00:01.5Z", 5) == 1500
    assert [parse_default(text) for text in (None, "5", "[1]", "plain text")] == [None, 5, [1], "plain text"]
    with pytest.raises(UsageError, match="not JSON"):
        parse_context("[" * 100_000, lambda: "")


def test_paths_select_files_folders_and_globs() -> None:
    documents = ["flagctl.yaml", "a/one.yaml", "a/two.yaml", "b/three.test.yaml"]
    root = Path("/nowhere/flags")
    assert select_paths(documents, (), root) == set(documents)
    assert select_paths(documents, ("a",), root) == {"a/one.yaml", "a/two.yaml"}
    assert select_paths(documents, ("./a/", "*.test.yaml"), root) == {"a/one.yaml", "a/two.yaml", "b/three.test.yaml"}
    assert select_paths(documents, ("/nowhere/flags/b",), root) == {"b/three.test.yaml"}
    with pytest.raises(NothingMatchedError, match="'c' matches no file"):
        select_paths(documents, ("a", "c"), root)


def test_errors_keep_flags_from_being_used_but_not_from_being_listed(root: Path) -> None:
    (root / "base.yaml").write_text(BASE.replace("default: on", "default: onn"))
    loaded = load(root)
    with pytest.raises(InvalidFlagsError, match="have an error") as caught:
        checked(loaded, NOW)
    assert caught.value.diagnostics[0].path == "base.yaml"
    assert set(readable(loaded).flags) == {"base", "child", "content", "grandchild"}
    (root / "flagctl.yaml").write_text("version: [")
    with pytest.raises(InvalidFlagsError, match=r"flagctl\.yaml cannot be used"):
        readable(load(root))


def test_an_unknown_flag_is_answered_with_the_closest_one(root: Path) -> None:
    repository = readable(load(root))
    with pytest.raises(NothingMatchedError) as caught:
        find_flag(repository, "chlid")
    assert caught.value.hint == "did you mean 'child'?"
    with pytest.raises(NothingMatchedError) as caught:
        find_flag(repository, "zzzzzz")
    assert "flagctl list" in str(caught.value.hint)


def test_a_protected_environment_wants_commits_and_a_confirmation() -> None:
    safe, protected = Environment(name="dev"), Environment(name="prod", protected=True)
    dirty = Origin(uncommitted=("a.yaml", "b.yaml", "c.yaml", "d.yaml"))
    check_may_publish(safe, dirty, confirmed=False, allow_dirty=False)
    check_may_publish(protected, dirty, confirmed=True, allow_dirty=True)
    with pytest.raises(ConflictError, match=r"not committed: a\.yaml, b\.yaml, c\.yaml, …"):
        check_may_publish(protected, dirty, confirmed=True, allow_dirty=False)
    with pytest.raises(ConflictError, match="'prod' is protected"):
        check_may_publish(protected, Origin(), confirmed=False, allow_dirty=False)


def test_the_python_api_reads_flags(root: Path) -> None:
    import flagctl

    repository = flagctl.FlagRepository(root)
    assert isinstance(repository, FlagRepository)
    assert [flag.key for flag in repository.list_flags()] == ["base", "child", "content", "grandchild"]
    assert repository.get_flag("child").off == "red"
    assert (repository.project, repository.environments) == ("shop", ("staging", "production"))
    assert repository.diagnostics == ()
    assert "us" in repository.model.segments
    with pytest.raises(NothingMatchedError):
        repository.get_flag("nobody")
    with pytest.raises(UsageError):
        FlagRepository(root.parent / "missing")


def test_rules_are_found_by_code_beginning_and_name() -> None:
    from flagctl.lint import all_rules

    rules = all_rules()
    assert {info.code[:3] for info in select_rules(rules, ["ref", "TGT101"])} == {"REF", "TGT"}
    assert select_rules(rules, ["unknown-segment"])[0].code == "REF102"
    with pytest.raises(NothingMatchedError):
        select_rules(rules, ["nonsense"])


def test_shares_are_written_without_noise() -> None:
    from flagctl.model import Rollout, RolloutArm

    rollout = Rollout(arms=(RolloutArm(variant="a", weight=33_333), RolloutArm(variant="b", weight=66_667)))
    assert describe_default(rollout) == "33.333% a, 66.667% b"
    assert describe_default(None) is None
    assert percent(50_000) == "50%"
