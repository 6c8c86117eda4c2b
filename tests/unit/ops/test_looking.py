from __future__ import annotations

import pytest

from flagctl.bundle.names import manifest_key
from flagctl.errors import UntrustedError
from flagctl.ops.looking import pull_live
from flagctl.ops.publish import publish
from flagctl.ops.publish_model import PublishOptions
from flagctl.ops.status import status
from tests.simulators.project import NOW, Clock, bundle_of


@pytest.fixture
def checks(monkeypatch):
    """How often the inside of a bundle was checked."""
    from flagctl.evaluator import document

    seen = []
    real = document.check_structure
    monkeypatch.setattr(document, "check_structure", lambda one: (seen.append(one.sha256), real(one)))
    return seen


def put(project, target, data):
    options = PublishOptions(clock=Clock(), sleep=lambda _: None, allow_rollback=True)
    return publish(target, data, project.publishers, options)


def test_the_inside_of_a_bundle_is_checked_once_and_its_signature_always(project, remote, target, checks):
    first = put(project, target, bundle_of(a=True))
    checks.clear()
    accepted: set[str] = set()
    for _ in range(3):
        assert status(target, clock=Clock(), accepted=accepted).state == "live"
    assert checks == [first.bundle_sha256]
    assert accepted == {first.bundle_sha256}
    second = put(project, target, bundle_of(a=False))
    checks.clear()
    assert status(target, clock=Clock(), accepted=accepted).bundle_sha256 == second.bundle_sha256
    assert checks == [second.bundle_sha256]
    place = manifest_key(target.environment)
    remote.objects[place] = remote.objects[place].replace(b'"sig":"', b'"sig":"A', 1)
    assert status(target, clock=Clock(), accepted=accepted).state == "untrusted"
    status(target, clock=Clock())
    assert len(accepted) == 2


def test_a_bundle_that_is_published_between_two_looks_is_checked(project, remote, target, checks):
    first = put(project, target, bundle_of(a=True))
    old = remote.objects[manifest_key(target.environment)]
    second = put(project, target, bundle_of(a=False))
    checks.clear()
    accepted = {first.bundle_sha256}
    pulled = pull_live(target, old, accepted, NOW)
    assert pulled.state.document.sha256 == second.bundle_sha256
    assert checks == [second.bundle_sha256]
    assert accepted == {first.bundle_sha256, second.bundle_sha256}
    with pytest.raises(UntrustedError):
        pull_live(target, b"{}", accepted, NOW)
