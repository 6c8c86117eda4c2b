"""Publications are weighed against what they replace, whoever publishes in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flagctl.bundle.accept import read_manifest
from flagctl.compiler import compile_environment
from flagctl.errors import ConflictError
from flagctl.ops.manifest_log import newest_entry
from flagctl.ops.plan import base_of, check_plan, read_plan
from flagctl.ops.policy import PolicyGuard, PolicyOptions, PolicyRefusedError, Publication
from flagctl.ops.publish import heartbeat, publish
from flagctl.ops.publish_model import PublishOptions, PublishResult
from flagctl.ops.publishing import Origin
from flagctl.ops.rollback import history, rollback
from flagctl.source import LoadedRepository, load_tree
from tests.simulators.memory_remote import MemoryRemote
from tests.simulators.project import NOW, Clock, Project

CONFIG = """\
version: 1
project: acme
environments: {staging: {}, production: {protected: true}}
policy: {environments: {production: POLICY}}
"""
FLAG = """\
kind: flag
key: ramp
owner: web
type: boolean
default: off
rules:
  - {id: everyone, serve: on, percentage: PERCENT}
"""
STEP = "{max_percentage_step: 20}"


class Shop:
    """A flag repository of one flag, published by many hands."""

    def __init__(self) -> None:
        self.project = Project()
        self.remote = MemoryRemote()
        self.target = self.project.target(self.remote)

    def files(self, percent: int, policy: str = STEP) -> LoadedRepository:
        tree = {"flagctl.yaml": CONFIG.replace("POLICY", policy), "ramp.yaml": FLAG.replace("PERCENT", str(percent))}
        loaded = load_tree({path: text.encode() for path, text in tree.items()})
        assert not loaded.diagnostics
        return loaded

    def bundle(self, percent: int) -> bytes:
        repository = self.files(percent).repository
        assert repository is not None
        return compile_environment(repository, "production").data

    def guard(self, percent: int, *, policy: str = STEP, **more: Any) -> PolicyGuard:
        repository = (loaded := self.files(percent, policy)).repository
        assert repository is not None
        bundle = compile_environment(repository, "production")
        publication = Publication(
            target=self.target, loaded=loaded, bundle=bundle.data, sha256=bundle.sha256, origin=Origin()
        )
        return PolicyGuard(publication, PolicyOptions(root=Path(), now_ms=NOW * 1000, **more))

    def publish(self, percent: int, guard: Any = None, **more: Any) -> PublishResult:
        options = PublishOptions(clock=Clock(), sleep=lambda _: None, check_live=guard, **more)
        return publish(self.target, self.bundle(percent), self.project.publishers, options)

    def live(self) -> Any:
        return read_manifest(self.target.reader(), self.remote.objects["production/manifest.json"])


@pytest.fixture
def shop() -> Shop:
    return Shop()


def in_between(shop: Shop, *percents: int) -> None:
    """Let others publish, one each time when the manifest is about to be written."""
    left = list(percents)

    def others(operation: str, key: str, _: int) -> None:
        if operation == "put" and key.endswith("manifest.json") and left:
            percent = left.pop(0)
            shop.publish(percent)

    shop.remote.before = others


def test_a_step_within_the_policy_is_published_and_a_larger_one_is_not(shop: Shop) -> None:
    shop.publish(10)
    assert shop.publish(30, shop.guard(30)).seq == 2
    with pytest.raises(PolicyRefusedError) as refused:
        shop.publish(70, shop.guard(70))
    assert refused.value.exit_code == 6
    assert "[POL301 max_percentage_step: 40 points, at most 20 points]" in refused.value.message
    assert "50 %" in str(refused.value.hint)
    assert shop.live().seq == 2


def test_what_was_published_in_between_is_what_is_weighed(shop: Shop) -> None:
    shop.publish(50)
    in_between(shop, 0)
    with pytest.raises(PolicyRefusedError, match="60 points"):
        shop.publish(60, shop.guard(60))
    assert shop.live().seq == 2
    in_between(shop, 50)
    with pytest.raises(PolicyRefusedError):
        shop.publish(60, shop.guard(60))  # refused at once: 0 % is live until somebody publishes
    assert shop.publish(50).seq == 3
    in_between(shop, 45)
    assert shop.publish(60, shop.guard(60)).seq == 5


def test_a_saved_plan_is_void_when_somebody_publishes_in_between(shop: Shop) -> None:
    shop.publish(10)
    planned = base_of(shop.live())
    saved = read_plan_of(shop, planned, shop.bundle(20))

    def check(live: Any) -> None:
        check_plan(saved, "production", saved.bundle_sha256, base_of(live) if live else None)

    in_between(shop, 15)
    with pytest.raises(ConflictError, match="moved since the plan: it was made against number 1, live is number 2"):
        shop.publish(20, check)
    assert shop.live().bundle.sha256 != saved.bundle_sha256


def test_a_renewal_in_between_does_not_void_a_plan(shop: Shop) -> None:
    shop.publish(10)
    saved = read_plan_of(shop, base_of(shop.live()), shop.bundle(20))
    left = [True]

    def renew(operation: str, key: str, _: int) -> None:
        if operation == "put" and key.endswith("manifest.json") and left:
            left.clear()
            heartbeat(shop.target, shop.project.publishers, PublishOptions(clock=Clock()))

    shop.remote.before = renew

    def check(live: Any) -> None:
        check_plan(saved, "production", saved.bundle_sha256, base_of(live) if live else None)

    assert shop.publish(20, check).seq == 3


def read_plan_of(shop: Shop, base: Any, bundle: bytes) -> Any:
    import hashlib
    import json
    import tempfile

    document = {
        "format_version": "1.0",
        "kind": "flagctl.plan",
        "project": "acme",
        "environment": "production",
        "base": base.to_dict(),
        "head": {"bundle_sha256": hashlib.sha256(bundle).hexdigest(), "commit": None},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.json"
        path.write_text(json.dumps(document))
        return read_plan(path)


def test_overrides_are_in_the_manifest_and_its_log_and_leave_with_the_next_one(shop: Shop) -> None:
    shop.publish(10)
    guard = shop.guard(90, overrides=("max_percentage_step=incident 12", "blast_radius=unused"), actor="ann")
    result = shop.publish(90, guard)
    assert result.overrides == (("max_percentage_step", "incident 12", "ann"),)
    assert shop.live().overrides == result.overrides
    copy = newest_entry(shop.target)
    assert copy is not None
    assert copy.overrides == result.overrides
    assert guard.result is not None
    assert guard.result.unused == ("blast_radius",)
    assert history(shop.target)[0].to_dict()["overrides"] == [
        {"rule": "max_percentage_step", "reason": "incident 12", "by": "ann"}
    ]
    renewed = heartbeat(shop.target, shop.project.publishers, PublishOptions(clock=Clock()))
    assert (renewed.overrides, shop.live().overrides) == ((), ())


def test_publishing_what_is_live_and_going_back_need_no_policy(shop: Shop) -> None:
    shop.publish(10)
    shop.publish(90)
    everything = "{approvals: {required: 9}, max_percentage_step: 0}"
    assert shop.publish(90, shop.guard(90, policy=everything)).action == "unchanged"
    assert rollback(shop.target, shop.project.publishers, options=PublishOptions(clock=Clock())).seq == 3


def test_the_first_publication_is_weighed_against_nothing(shop: Shop) -> None:
    guard = shop.guard(90, policy="{max_percentage_step: 20, approvals: {required: 1}}")
    with pytest.raises(PolicyRefusedError, match="needs 1 approval"):
        shop.publish(90, guard)
    assert guard.result is not None
    assert [verdict.rule for verdict in guard.result.refusals] == ["approvals"]
    assert guard.result.base == "nothing"


def test_a_manifest_that_was_deleted_or_replaced_is_no_way_around_the_policy(shop: Shop) -> None:
    shop.publish(10)
    del shop.remote.objects["production/manifest.json"]
    with pytest.raises(PolicyRefusedError, match="80 points"):
        shop.publish(90, shop.guard(90))
    shop.remote.objects["production/manifest.json"] = b"{}"
    with pytest.raises(PolicyRefusedError, match="80 points"):
        shop.publish(90, shop.guard(90), recover=True)
    assert shop.publish(30, shop.guard(30), recover=True).action == "published"


def test_a_dry_run_is_refused_like_the_real_one(shop: Shop) -> None:
    shop.publish(10)
    with pytest.raises(PolicyRefusedError):
        shop.publish(90, shop.guard(90), dry_run=True)


def test_the_error_counts_the_other_refusals(shop: Shop) -> None:
    shop.publish(10)
    with pytest.raises(PolicyRefusedError, match=r"\(and 1 more\)"):
        shop.publish(90, shop.guard(90, policy="{max_percentage_step: 1, max_switching: 1}"))
