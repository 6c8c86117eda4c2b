from __future__ import annotations

from pathlib import Path

import pytest

from flagctl.errors import FindingsError, NothingMatchedError, UsageError
from flagctl.ops.rebalance import RebalanceOptions, RebalanceResult, rebalance
from flagctl.source import load_tree, read_tree

CONFIG = "version: 1\nproject: p\nenvironments:\n  staging: {}\n  production: {protected: true}\n"
HEAD = "kind: flag\nkey: f\ntype: string\nowner: o\ndescription: d\nvariants: {a: A, b: B, c: C}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "flagctl.yaml").write_text(CONFIG)
    return tmp_path


def run(root: Path, text: str, weights: str, **more) -> tuple[str, RebalanceResult]:
    (root / "f.yaml").write_bytes((HEAD + text).encode())
    result = rebalance(RebalanceOptions(root=root, key="f", weights=tuple(weights.split(",")), **more))
    after = (root / "f.yaml").read_bytes().decode()
    assert after.startswith(HEAD)
    loaded = load_tree(read_tree(root))
    assert not loaded.diagnostics
    return after.removeprefix(HEAD), result


def test_weights_in_braces_become_ranges(root) -> None:
    after, result = run(root, "default:\n  rollout: {a: 10, b: 10, c: 80} # thirds later\n", "a=20,b=20,c=60")
    assert after == (
        "default:\n  rollout: {a: {buckets: [[0, 10000], [90000, 100000]]}, b: {buckets: [[10000, 30000]]}, "
        "c: {buckets: [[30000, 90000]]}} # thirds later\n"
    )
    assert (result.moved, result.moved_by_weights, result.written) == (20_000, 30_000, True)
    assert (result.rule, result.environments) == ("default", ("staging", "production"))
    assert result.patch.count("\n-") == 1


def test_block_style_keeps_its_lines_and_comments(root) -> None:
    text = (
        "rules:\n"
        "  - id: split\n"
        "    rollout:  # decided in May\n"
        "      # the old one\n"
        "      a: 50   # going down\n"
        '      "b": 50\n'
        "\n"
        "      # the end\n"
        "default: a\n"
    )
    after, _ = run(root, text, "a=40,b=50,c=10", rule="split")
    assert after == (
        "rules:\n"
        "  - id: split\n"
        "    rollout:  # decided in May\n"
        "      # the old one\n"
        "      a: {buckets: [[0, 40000]]}   # going down\n"
        '      "b": {buckets: [[50000, 100000]]}\n'
        "      c: {buckets: [[40000, 50000]]}\n"
        "\n"
        "      # the end\n"
        "default: a\n"
    )


def test_a_variant_without_a_share_loses_its_line_but_not_its_comment(root) -> None:
    text = "default:\n  rollout:\n    a: 30\n    b: 30  # why b\n    c: 40"
    after, _ = run(root, text, "a=60,c=40")
    assert after == (
        "default:\n  rollout:\n    a: {buckets: [[0, 60000]]}\n    # why b\n    c: {buckets: [[60000, 100000]]}"
    )
    after, _ = run(root, text.replace("  # why b", ""), "a=60,c=40")
    assert after == "default:\n  rollout:\n    a: {buckets: [[0, 60000]]}\n    c: {buckets: [[60000, 100000]]}"


def test_pinned_ranges_are_rebalanced_again(root) -> None:
    text = (
        "default:\n  rollout:\n    a:\n      buckets:\n        - [0, 10000]\n        - [60000, 100000]\n"
        "    b: {buckets: [[10000, 60000]]}\n"
    )
    after, result = run(root, text, "a=60,b=40")
    assert "b: {buckets: [[20000, 60000]]}" in after
    assert result.moved == 10_000


def test_windows_line_ends_stay(root) -> None:
    text = "default:\r\n  rollout:\r\n    a: 50\r\n    b: 50\r\n"
    (root / "f.yaml").write_bytes((HEAD.replace("\n", "\r\n") + text).encode())
    rebalance(RebalanceOptions(root=root, key="f", weights=("a=50", "b=40", "c=10")))
    data = (root / "f.yaml").read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n") == HEAD.count("\n") + 5


def test_a_dry_run_writes_nothing(root) -> None:
    text = "default:\n  rollout: {a: 50, b: 50}\n"
    after, result = run(root, text, "a=40,b=60", dry_run=True)
    assert after == text
    assert not result.written
    assert "+  rollout: {a:" in result.patch


def test_a_comment_that_would_be_lost_is_told(root) -> None:
    with pytest.raises(UsageError, match=r"f\.yaml:9: this comment would be lost"):
        run(root, "default:\n  rollout: {a: 50,\n    # half\n    b: 50}\n", "a=40,b=60")
    with pytest.raises(UsageError, match="would be lost"):
        run(
            root,
            "default:\n  rollout:\n    a:\n      buckets:\n        # x\n        - [0, 5]\n    b: {buckets: [[5, 100000]]}\n",
            "a=1,b=99",
        )


def test_the_rollout_must_be_clear(root) -> None:
    text = (
        "rules:\n  - id: split\n    rollout: {a: 50, b: 50}\n    salt: f/split\n"
        "default: {rollout: {a: 10, b: 90}, salt: f/default}\n"
        "environments:\n  production:\n    default: {rollout: {a: 20, b: 80}, salt: f/default}\n"
    )
    with pytest.raises(UsageError, match=r"split \[staging, production\]; default \[staging\]; default \[production\]"):
        run(root, text, "a=40,b=60")
    with pytest.raises(UsageError, match="several rollouts in production"):
        run(root, text, "a=40,b=60", environment="production")
    after, result = run(root, text, "a=30,b=70", environment="production", rule="default")
    assert "default: {rollout: {a: 10, b: 90}" in after
    assert result.environments == ("production",)
    with pytest.raises(NothingMatchedError, match="no rollout 'other'"):
        run(root, text, "a=40,b=60", rule="other")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("a", "'a' is no weight"),
        ("a=x,b=1", "'x' is no weight"),
        ("a=1.0001,b=1", "is no weight"),
        ("a=NaN", "is no weight"),
        ("a=-1", "is no weight"),
        ("z=100", "no variant 'z'"),
        ("a=50,a=50", "two weights"),
        ("a=50,b=49.5", "add up to 99.5 %"),
    ],
)
def test_weights_are_checked(root, weights, message) -> None:
    with pytest.raises(UsageError, match=message):
        run(root, "default: {rollout: {a: 50, b: 50}}\n", weights)


def test_a_rollout_with_gaps_is_not_rebalanced(root) -> None:
    with pytest.raises(FindingsError, match="does not cover all buckets"):
        run(root, "default: {rollout: {a: {buckets: [[0, 5]]}, b: {buckets: [[6, 100000]]}}}\n", "a=50,b=50")


def test_an_experiment_is_not_rebalanced(root) -> None:
    with pytest.raises(NothingMatchedError, match="has no rollout") as caught:
        run(root, "default: a\nrules:\n  - {id: x, experiment: y}\n", "a=50,b=50")
    assert "experiment" in str(caught.value.hint)
