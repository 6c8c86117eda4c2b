from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flagctl.errors import ConflictError, NothingMatchedError, UntrustedError, UsageError
from flagctl.model import Environment, RemoteConfig, RepositoryConfig
from flagctl.ops.keys import generate_key, inspect_key, list_keys
from flagctl.ops.status import status
from flagctl.ops.target import TargetOverrides, open_target, read_trust_file, with_newest_root
from flagctl.ops.trust import TrustInit, init_trust, push_trust, show_trust
from tests.simulators.memory_remote import MemoryRemote
from tests.simulators.project import NOW, Clock


@pytest.fixture
def keys(tmp_path):
    for name in ("root", "publish", "staging", "kill"):
        generate_key(tmp_path / f"{name}.key")
    return tmp_path


def init(keys, **changes) -> TrustInit:
    settings = {
        "project": "acme",
        "environments": ("production", "staging"),
        "out": keys / "trust.json",
        "root_keys": (str(keys / "root.key"),),
        "publish_keys": {"*": (keys / "publish.key.pub",), "staging": (keys / "staging.key",)},
        "kill_keys": {"production": (keys / "kill.key.pub",)},
        "clock": Clock(),
    }
    return TrustInit(**{**settings, **changes})


def test_keys_are_made_shown_and_listed_without_their_secrets(tmp_path):
    made = generate_key(tmp_path / "a.key", scheme="ecdsa-p256")
    other = generate_key(tmp_path / "b.key")
    (tmp_path / "b.key").unlink()
    assert inspect_key(tmp_path / "a.key") == inspect_key(tmp_path / "a.key.pub") == made
    listed = list_keys(tmp_path)
    assert [key.keyid for key in listed] == [made.keyid, other.keyid]
    assert listed[1].private_path is None
    assert "PRIVATE" not in json.dumps([key.to_dict() for key in listed])


def test_a_folder_without_keys_is_nothing_matched(tmp_path):
    with pytest.raises(NothingMatchedError):
        list_keys(tmp_path)
    with pytest.raises(UsageError, match="not a folder"):
        list_keys(tmp_path / "none")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user gets to; those of pytest are their owner's alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be nobody for a while where the tests run as root, whom no mode keeps out."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_a_folder_of_keys_that_cannot_be_read_is_not_an_empty_one(open_folder):
    generate_key(open_folder / "a.key")
    open_folder.chmod(0)
    with without_privileges(), pytest.raises(UsageError, match="cannot be read: Permission denied") as caught:
        list_keys(open_folder)
    assert caught.value.exit_code == 2


def test_a_private_key_that_cannot_be_read_is_listed_by_its_public_half(open_folder):
    made = generate_key(open_folder / "a.key")
    (open_folder / "a.key").chmod(0)
    with without_privileges():
        assert list_keys(open_folder) == (made,)
    (open_folder / "a.key.pub").unlink()
    with without_privileges(), pytest.raises(UsageError, match=r"a\.key cannot be read: Permission denied") as caught:
        list_keys(open_folder)
    assert "FILE.pub" in str(caught.value.hint)


def test_a_root_of_trust_is_made_and_shown(keys):
    result = init_trust(init(keys))
    assert result == show_trust(keys / "trust.json", clock=Clock())
    roles = {(role.role, role.environment): role.keyids for role in result.roles}
    keyid = {name: inspect_key(keys / f"{name}.key").keyid for name in ("root", "publish", "staging", "kill")}
    assert roles == {
        ("root", None): (keyid["root"],),
        ("publish", "production"): (keyid["publish"],),
        ("publish", "staging"): (keyid["staging"],),
        ("kill", "production"): (keyid["kill"],),
    }
    assert (result.version, result.epoch, result.expired) == (1, 1, False)
    assert json.loads(json.dumps(result.to_dict()))["format_version"] == "1.0"
    assert show_trust(keys / "trust.json", clock=Clock(NOW + 10**9)).expired


def test_a_root_of_trust_is_never_overwritten(keys):
    init_trust(init(keys))
    before = (keys / "trust.json").read_bytes()
    with pytest.raises(ConflictError):
        init_trust(init(keys))
    assert (keys / "trust.json").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"project": "Not A Name"}, "cannot be the name"),
        ({"environments": ("prod/uction",)}, "cannot be the name"),
        ({"environments": ()}, "at least one"),
        ({"publish_keys": {}}, "cannot reach"),
        ({"publish_threshold": 2}, "cannot reach"),
        ({"root_threshold": 0}, "cannot reach"),
        ({"kill_keys": {"development": ()}}, "no environment 'development'"),
    ],
)
def test_a_root_of_trust_that_could_not_work_is_not_made(keys, changes, words):
    with pytest.raises(UsageError, match=words):
        init_trust(init(keys, **changes))
    assert not (keys / "trust.json").exists()


def test_the_same_key_twice_is_no_threshold_of_two(keys):
    path = keys / "publish.key"
    with pytest.raises(UsageError, match="same key twice"):
        init_trust(init(keys, publish_keys={"*": (path, keys / "publish.key.pub")}, publish_threshold=2))


def test_a_root_is_pushed_once_and_never_replaced(keys):
    init_trust(init(keys))
    remote = MemoryRemote()
    result = push_trust(remote, keys / "trust.json")
    assert result.pushed_to == "memory://remote/trust/1.json"
    assert remote.objects["trust/1.json"] == (keys / "trust.json").read_bytes()
    push_trust(remote, keys / "trust.json")
    init_trust(init(keys, out=keys / "other.json"))
    remote.objects["trust/1.json"] = b"another"
    with pytest.raises(ConflictError, match="another root of trust"):
        push_trust(remote, keys / "trust.json")


def test_an_edited_root_of_trust_is_refused(keys):
    init_trust(init(keys))
    path = keys / "trust.json"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UntrustedError):
        read_trust_file(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_trust_file(keys / "none.json")


def config(url: str | None, trust: str | None = "trust.json", project: str = "acme") -> RepositoryConfig:
    remote = RemoteConfig(url=url, trust=trust) if url else None
    environments = {"production": Environment(name="production", remote=remote)}
    return RepositoryConfig(path="flagctl.yaml", version=1, project=project, environments=environments)


def test_a_target_is_opened_as_configured(keys):
    init_trust(init(keys))
    target = open_target(keys, config(f"file://{keys}/remote"), "production")
    assert (target.project, target.environment, target.remote.url) == ("acme", "production", f"file://{keys}/remote")
    overrides = TargetOverrides(url=f"file://{keys}/other", trust=keys / "trust.json")
    assert open_target(keys, config(None), "production", overrides).remote.url == f"file://{keys}/other"


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (("file:///srv",), "prodution", "no environment"),
        ((None,), "production", "has no remote"),
        (("file:///srv", None), "production", "names no root of trust"),
        (("file:///srv", "none.json"), "production", "cannot be read"),
        (("file:///srv", "trust.json", "other"), "production", "is the root of trust of 'acme'"),
    ],
)
def test_what_is_missing_in_the_configuration_is_said(keys, arguments, environment, words):
    init_trust(init(keys))
    with pytest.raises(UsageError, match=words) as caught:
        open_target(keys, config(*arguments), environment)
    if environment == "prodution":
        assert "'production'" in (caught.value.hint or "")


def test_a_target_follows_the_chain_and_refuses_a_broken_one(keys):
    init_trust(init(keys))
    broken = keys / "remote" / "trust" / "2.json"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"garbage")
    target = open_target(keys, config(f"file://{keys}/remote"), "production")
    with pytest.raises(UntrustedError):
        with_newest_root(target)
    result = status(target, clock=Clock())
    assert (result.state, result.reason) == ("untrusted", "malformed-envelope")
