from __future__ import annotations

import gc

import pytest

from flagctl.source import load_tree
from tests.unit.source.conftest import CONFIG

LAYER = "kind: layer\nkey: {key}\n"


def test_documents_are_sorted_by_key_and_files_by_path(load):
    loaded = load(LAYER.format(key="b"), "z/b.yaml", a=LAYER.format(key="c"), m__n=LAYER.format(key="a"))
    assert list(loaded.repository.layers) == ["a", "b", "c"]
    assert list(loaded.documents) == ["flagctl.yaml", "a.yaml", "m/n.yaml", "z/b.yaml"]
    assert loaded.documents["z/b.yaml"].kind == "layer"
    assert loaded.documents["z/b.yaml"].key == "b"
    assert loaded.documents["flagctl.yaml"].kind == "config"


def test_the_same_key_may_be_a_flag_and_a_segment_but_not_two_flags(load):
    flag = "kind: flag\nkey: x\ntype: boolean\n"
    loaded = load(flag, "b.yaml", a="kind: segment\nkey: x\ninclude: [a]\n", c=flag + "name: second\n")
    (finding,) = loaded.diagnostics
    assert (finding.code, finding.path, finding.route) == ("REF100", "c.yaml", ("key",))
    assert (finding.related[0].path, finding.related[0].span.line) == ("b.yaml", 2)
    assert loaded.repository.flags["x"].name is None


def test_without_a_configuration_there_is_no_repository_but_findings_of_all_files():
    loaded = load_tree({"a.yaml": b"kind: layer\n"})
    assert loaded.repository is None
    assert [f.code for f in loaded.diagnostics] == ["SCH103", "SCH120"]
    loaded = load_tree({"flagctl.yml": CONFIG})
    assert "rename flagctl.yml" in next(f.help for f in loaded.diagnostics if f.code == "SCH120")


@pytest.mark.parametrize(
    "config",
    [b"", b"version: [", b"version: 2\nproject: a\nenvironments: {p: {}}\n", b"version: 1\nenvironments: {p: {}}\n", b"version: 1\nproject: a\n", b"version: 1\nproject: a\nenvironments: {}\n"],
)  # fmt: skip
def test_an_unusable_configuration_is_reported_and_the_files_are_read_all_the_same(config):
    loaded = load_tree({"flagctl.yaml": config, "a.yaml": b"kind: layer\nkey: a\n"})
    assert loaded.repository is None
    assert loaded.diagnostics
    assert {f.path for f in loaded.diagnostics} == {"flagctl.yaml"}
    assert loaded.documents["a.yaml"].kind == "layer"


@pytest.mark.parametrize(
    "addition",
    ["contxt: {attributes: {}}\n", "context: {attributes: {a: {type: text}}}\n", "lint: {selct: [A]}\n", "lint: {select: [bad]}\n", "exclude: a\n", "remote: {trust: a}\n", "foo: 1\n"],
)  # fmt: skip
def test_a_configuration_with_a_mistake_is_used_without_it(addition):
    loaded = load_tree({"flagctl.yaml": CONFIG + addition.encode()})
    assert len(loaded.diagnostics) == 1
    assert list(loaded.repository.config.environments) == ["staging", "production"]
    assert loaded.repository.config.context.additional


class TestPruning:
    """A mistake takes the smallest sensible part with it, and the rest is checked in the same pass."""

    def flag(self, load, body):
        loaded = load("kind: flag\nkey: x\ntype: boolean\n" + body)
        assert loaded.diagnostics
        return loaded.repository, loaded.repository.flags.get("x")

    def test_a_wrong_rule_is_left_out_and_the_others_keep_their_places(self, load):
        repository, flag = self.flag(
            load, "rules: [{id: a, serve: on}, {id: b}, {id: c, serve: on, percentage: 0.0001}, {id: d, serve: on}]\n"
        )
        assert [(rule.id, rule.route) for rule in flag.rules] == [("a", ("rules", 0)), ("d", ("rules", 3))]
        assert repository.broken == {("flag", "x")}

    def test_a_wrong_condition_takes_its_rule_along(self, load):
        _, flag = self.flag(load, "rules: [{id: a, serve: on, when: [{segment: s}, {attribute: b}]}]\n")
        assert flag.rules == ()

    def test_a_rule_with_an_unknown_key_is_left_out(self, load):
        _, flag = self.flag(load, "rules: [{id: a, serve: on, whatever: 1}]\n")
        assert flag.rules == ()

    def test_a_misspelt_key_is_read_as_what_was_meant(self, load):
        _, flag = self.flag(load, "rulez: [{id: a, serv: on}]\n")
        assert [(rule.id, rule.serve) for rule in flag.rules] == [("a", "on")]

    def test_a_misspelt_key_keeps_its_place_for_later_findings(self, load):
        loaded = load("kind: flag\nkey: x\ntype: boolean\nrulez:\n  - {id: a, serve: on}\n")
        span = loaded.documents["x.yaml"].span(("rules", 0, "serve"))
        assert (span.line, span.column) == (5, 20)

    def test_an_unimportant_key_with_a_wrong_value_is_left_out(self, load):
        _, flag = self.flag(
            load,
            "name: 5\nschedule: {from: never}\nlifecycle: 7\ntargets: {on: [a, 1.5], off: 3}\nprerequisites: [{flag: y}]\n",
        )
        assert (flag.name, flag.schedule, flag.lifecycle, flag.prerequisites) == (None, None, None, ())
        assert [(target.variant, target.units) for target in flag.targets] == [("on", ("a",))]

    def test_a_mistake_in_an_override_stays_in_it(self, load):
        _, flag = self.flag(
            load, "default: on\nenvironments:\n  production: {enabled: 1, rules: [{id: a}]}\n  staging: 5\n"
        )
        assert flag.environments["production"].given == {"rules"}
        assert set(flag.environments) == {"production"}
        assert flag.default == "on"

    @pytest.mark.parametrize("body", ["variants: 5\n", "value: 1\nvariants: {a: true}\n", "type: boolean\n"])
    def test_a_flag_without_sensible_values_is_not_built(self, load, body):
        repository, flag = (
            self.flag(load, body) if "type" not in body else (load("kind: flag\nkey: x\n").repository, None)
        )
        assert flag is None
        assert repository.broken == {("flag", "x")}

    def test_a_segment_with_a_wrong_condition_is_not_built(self, load):
        repository = load("kind: segment\nkey: s\nwhen: [{attribute: a}]\n").repository
        assert (repository.segments, repository.broken) == ({}, {("segment", "s")})

    def test_an_experiment_is_built_without_its_records(self, load):
        repository = load(
            "kind: experiment\nkey: e\nflag: f\nstatus: draft\nvariants: {a: 100}\nstarted_at: x\nmetrics: 1\n"
        ).repository
        assert repository.experiments["e"].started_at_ms is None
        assert repository.broken == {("experiment", "e")}

    def test_wrong_cases_of_a_test_file_are_left_out(self, load):
        loaded = load("kind: test\nflag: f\ncases: [{name: a, expect: {variant: on}}, {name: b}]\n", "x.test.yaml")
        assert [case.name for case in loaded.tests[0].cases] == ["a"]

    def test_a_duplicate_key_or_anchor_hides_nothing_else(self, load):
        loaded = load("kind: flag\nkey: x\ntype: &t boolean\nname: a\nname: b\nrules: [{id: r}]\n")
        assert [f.code for f in loaded.diagnostics] == ["SYN111", "SYN110", "SCH103"]
        assert loaded.repository.flags["x"].name == "a"

    def test_a_guessed_value_is_not_reported_a_second_time(self, load):
        loaded = load("kind: flag\nkey: x\ntype: boolean\nenabled: *y\nname: !!int 5\nrules: *r\n")
        assert [f.code for f in loaded.diagnostics] == ["SYN111", "SYN112", "SYN111"]
        assert loaded.repository.flags["x"].rules == ()


@pytest.mark.parametrize(
    ("text", "path", "broken"),
    [
        ("kind: flag\nkey: a\nname: [\n", "f/b.yaml", {("flag", "a")}),
        ("kind: segment\nname: [\n", "f/b.yaml", {("segment", "b")}),
        ("name: [\n", "f/b.yml", {(kind, "b") for kind in ("flag", "segment", "experiment", "layer")}),
        ("kind: flagg\nkey: a\n", "b.yaml", {(kind, "a") for kind in ("flag", "segment", "experiment", "layer")}),
        ("kind: flag\nkey: 'A B'\ntype: boolean\n", "b.yaml", {("flag", "A B"), ("flag", "b")}),
        ("kind: flag\nkey: 5\ntype: boolean\n", "b.yaml", {("flag", "5")}),
        ("kind: test\ncases: [\n", "b.test.yaml", set()),
    ],
)
def test_what_cannot_be_built_is_known_to_be_broken(text, path, broken, load):
    assert load(text, path).repository.broken == broken


@pytest.mark.parametrize("line", ["- 0{}\n", "- &a{} b\n", "- [{}]\n"])
def test_a_damaged_file_does_not_bury_the_terminal(line, load):
    text = "kind: segment\nkey: s\ninclude:\n" + "".join(line.format(number) for number in range(1, 1_000))
    assert 100 <= len(load.findings(text)) <= 200


def test_garbage_collection_is_as_it_was_before(load):
    frozen = gc.get_freeze_count()
    assert gc.isenabled()
    load("kind: layer\nkey: a\n")
    assert gc.isenabled()
    assert gc.get_freeze_count() <= frozen
    gc.disable()
    try:
        load("kind: layer\nkey: a\n")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_was_frozen_stays_frozen(load):
    gc.freeze()
    try:
        count = gc.get_freeze_count()
        load("kind: layer\nkey: a\n")
        assert gc.get_freeze_count() > count / 2
        assert gc.isenabled()
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("path", ["x.test.yaml", "a/x.test.yml"])
def test_a_test_file_that_is_something_else_is_refused(path, load):
    finding = load.only("kind: flag\nkey: x\ntype: boolean\n", path)
    assert finding.code == "SCH101"
    assert "kind: test" in finding.help


def test_loading_is_not_much_slower_than_parsing_alone():
    """The promise of three times PyYAML's C event parser alone, on realistic files of 25 lines."""
    import time

    import yaml

    body = (
        b"kind: flag\nname: New checkout flow\ndescription: One-page checkout for everybody\nowner: team-checkout\ntags: [checkout, release]\n"
        b"type: boolean\nlifecycle: {temporary: true, expires: 2027-03-01}\nvariants: {on: true, off: false}\nenabled: true\noff: off\ndefault: off\n"
        b"rules:\n  - id: employees\n    when:\n      - {attribute: email, operator: ends_with, value: '@acme.com'}\n      - {segment: beta-testers}\n"
        b"    serve: on\n  - id: ramp\n    serve: on\n    percentage: 25\nenvironments:\n  production: {enabled: true, default: off}\n"
    )
    files = {f"f/flag-{number}.yaml": b"key: flag-%d\n" % number + body for number in range(300)}

    def parse():
        for content in files.values():
            for _ in yaml.parse(content, Loader=yaml.CLoader):
                pass

    def best(work):
        times = []
        for _ in range(7):
            start = time.process_time()
            work()
            times.append(time.process_time() - start)
        return min(times)

    everything = {"flagctl.yaml": CONFIG, **files}
    assert not load_tree(everything).diagnostics
    assert best(lambda: load_tree(everything)) < 3 * best(parse)
