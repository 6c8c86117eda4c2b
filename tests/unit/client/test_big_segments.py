"""Lists of big segments in a client: whom it believes, how it swaps them, and what it does without them."""

from __future__ import annotations

import hashlib
import multiprocessing
import re
import time
from typing import Any

import pytest

from flagctl.bundle.envelope import seal
from flagctl.bundle.layout import BundleContents, write_bundle
from flagctl.bundle.unit_list import PAYLOAD_TYPE, ListPointer, list_file_key, list_key, write_pointer
from flagctl.client.client import Client
from flagctl.errors import ConflictError, UntrustedError
from flagctl.evaluator.lists import write_list
from flagctl.ops.unit_lists import ListVersion, publish_list
from tests.simulators.project import NOW, Project, ed25519_signer, eventually

USER = {"targeting_key": "user-1"}
NOBODY = {"targeting_key": "nobody"}


def bundle(*segments: str) -> bytes:
    """Return a bundle with a flag for the first of some segments, each with a list."""
    flag = {
        "type": "boolean",
        "variants": [["on", True], ["off", False]],
        "off": 1,
        "default": {"serve": 1},
        "rules": [{"id": "r", "when": [{"segment": segments[0]}], "serve": 0}],
    }
    needs = {**flag, "rules": [{"id": "r", "serve": 0}], "prerequisites": [["flag", ["on"]]]}
    plain = {**flag, "rules": [{"id": "r", "serve": 0}]}
    contents = BundleContents(
        project="acme",
        environment="production",
        capabilities=frozenset({"lists", "segments", "prerequisites"}),
        flags={"flag": flag, "needs": needs, "plain": plain},
        segments={
            name: {"list": f"{name}-list"} if number == len(segments) - 1 else {"when": [{"segment": segments[-1]}]}
            for number, name in sorted(enumerate(segments), key=lambda item: item[1])
        },
    )
    return write_bundle(contents)


def publish(project: Project, remote: Any, *units: str, stale_after: int | None = None, at: int = NOW) -> None:
    """Publish the list of the segment vip."""
    data = write_list("vip-list", units, at * 1000)
    publish_list(
        project.target(remote), project.publishers, ListVersion("vip-list", data, stale_after), clock=lambda: at
    )


def looked_after(client: Client) -> Client:
    """Return a client once its lists were looked after, whatever came of it."""
    assert client.wait_until_ready(10)
    assert eventually(lambda: client.status().big_segments[0]["health"] != "unavailable" or problem(client))
    return client


def problem(client: Client) -> str | None:
    """Return what went wrong last."""
    return client.status().big_segments[0]["last_error"]


def worth(client: Client, key: str = "flag") -> Any:
    """Return what the details say about lists."""
    return client.evaluate(key, USER).metadata.get("big_segments")


def test_members_of_a_published_list_are_members_and_details_say_what_it_is_worth(project, remote, make) -> None:
    project.put(remote, bundle("vip"))
    publish(project, remote, "user-1", "user-2")
    client = looked_after(make())
    assert client.is_enabled("flag", USER)
    assert not client.is_enabled("flag", NOBODY)
    assert client.evaluate_all(USER) == {"flag": True, "needs": True, "plain": True}
    assert worth(client) == worth(client, "needs") == {"vip": "healthy"}
    assert worth(client, "plain") is None
    (row,) = client.status().big_segments
    assert (row["list"], row["health"], row["seq"], row["units"]) == ("vip-list", "healthy", 1, 2)


def test_a_list_behind_another_segment_counts_and_is_told_by_its_own_segment(project, remote, make) -> None:
    project.put(remote, bundle("outer", "vip"))
    publish(project, remote, "user-1")
    client = looked_after(make())
    assert client.is_enabled("flag", USER)
    assert worth(client) == {"vip": "healthy"}


def test_a_list_that_was_never_published_has_no_members(project, remote, make) -> None:
    project.put(remote, bundle("vip"))
    client = looked_after(make())
    assert not client.is_enabled("flag", USER)
    assert worth(client) == {"vip": "unavailable"}
    assert "never published" in problem(client)


def test_a_new_version_takes_over_and_the_old_one_answers_until_then(project, remote, make) -> None:
    project.put(remote, bundle("vip"))
    publish(project, remote, "user-1")
    client = looked_after(make())
    publish(project, remote, "user-2")
    assert client.is_enabled("flag", USER)
    client._lists.look()
    assert not client.is_enabled("flag", USER)
    assert client.is_enabled("flag", {"targeting_key": "user-2"})
    assert client.status().big_segments[0]["seq"] == 2


def test_units_that_are_too_old_and_lists_that_nobody_could_look_after_are_stale_and_go_on_counting(
    project, remote, make, clock
) -> None:
    project.put(remote, bundle("vip"))
    publish(project, remote, "user-1", stale_after=3600)
    client = looked_after(make())
    assert worth(client) == {"vip": "healthy"}
    clock.now += 3600
    assert worth(client) == {"vip": "stale"}
    assert client.is_enabled("flag", USER)
    publish(project, remote, "user-1", at=int(clock.now))
    client._lists.look()
    assert worth(client) == {"vip": "healthy"}
    clock.monotonic_now += 600
    assert worth(client) == {"vip": "stale"}
    client._lists.look()
    assert worth(client) == {"vip": "healthy"}


def sealed(owner: Project, data: bytes, *, signers: Any = None, kind: str = PAYLOAD_TYPE, **changes: Any) -> bytes:
    """Return a pointer to a list's file, signed by the publishers."""
    pointer = ListPointer(
        project="acme",
        environment="production",
        epoch=1,
        seq=2,
        issued=NOW,
        trust=1,
        name="vip-list",
        units=1,
        generated=NOW,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
    )._replace(**changes)
    return seal(kind, write_pointer(pointer), signers or owner.publishers)


EVIL = write_list("vip-list", ["nobody"], NOW * 1000)


@pytest.mark.parametrize(
    ("forge", "file", "message"),
    [
        (lambda p: sealed(p, EVIL, signers=[ed25519_signer()]), EVIL, "sign"),
        (lambda p: sealed(p, EVIL, signers=[p.kill_signer]), EVIL, "sign"),
        (lambda p: sealed(p, EVIL, kind="application/vnd.flagctl.manifest.v1+json"), EVIL, "does not hold a list"),
        (lambda p: sealed(p, EVIL, environment="staging"), EVIL, "environment"),
        (lambda p: sealed(p, EVIL, project="other"), EVIL, "project"),
        (lambda p: sealed(p, EVIL, epoch=2), EVIL, "epoch"),
        (lambda p: sealed(p, EVIL, name="other-list"), EVIL, "other-list"),
        (lambda p: sealed(p, EVIL, seq=1), EVIL, "two different"),
        (lambda p: sealed(p, EVIL), EVIL[:-1] + b"x", "not the one"),
        (lambda p: sealed(p, EVIL), EVIL + b"x", "larger|size"),
        (lambda p: sealed(p, EVIL), None, "lacks"),
        (lambda p: p.trust_data[:9], EVIL, "JSON"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_vouched_for_changes_nothing(project, remote, make, forge, file, message) -> None:
    project.put(remote, bundle("vip"))
    publish(project, remote, "user-1")
    client = looked_after(make())
    if file is not None:
        remote.put(list_file_key("production", hashlib.sha256(EVIL).hexdigest()), file)
    remote.put(list_key("production", "vip-list"), forge(project))
    client._lists.look()
    assert client.is_enabled("flag", USER)
    assert not client.is_enabled("flag", NOBODY)
    assert re.search(message, problem(client) or "")


def test_an_older_version_is_refused(project, remote, make) -> None:
    project.put(remote, bundle("vip"))
    publish(project, remote, "nobody")
    old = remote.get(list_key("production", "vip-list"), max_bytes=65536).data
    publish(project, remote, "user-1")
    client = looked_after(make())
    remote.put(list_key("production", "vip-list"), old)
    client._lists.look()
    assert client.is_enabled("flag", USER)
    assert "older" in problem(client)


def test_with_a_cache_folder_a_restart_offline_has_its_list_and_one_that_was_touched_is_not_used(
    project, remote, make, tmp_path
) -> None:
    cache = tmp_path / "cache"
    project.put(remote, bundle("vip"))
    publish(project, remote, "user-1")
    client = looked_after(make(cache_dir=cache))
    publish(project, remote, "user-1", "user-2")
    client._lists.look()
    assert client.is_enabled("flag", {"targeting_key": "user-2"})
    client.close()
    folder = cache / "acme" / "production" / "lists"
    (file,) = [path for path in folder.iterdir() if path.suffix != ".json"]
    again = looked_after(make(url=f"file://{tmp_path}/gone", cache_dir=cache))
    assert again.is_enabled("flag", {"targeting_key": "user-2"})
    assert worth(again) == {"vip": "stale"}
    again.close()
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    last = looked_after(make(url=f"file://{tmp_path}/gone", cache_dir=cache))
    assert not last.is_enabled("flag", {"targeting_key": "user-2"})
    assert worth(last) == {"vip": "unavailable"}


def _in_child(client: Client, queue: Any) -> None:
    before = client.is_enabled("flag", USER)
    deadline = time.monotonic() + 10
    while client.status().big_segments[0]["seq"] != 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    queue.put((before, client.is_enabled("flag", {"targeting_key": "user-2"})))


def test_a_forked_child_answers_at_once_and_looks_after_its_lists_by_itself(project, remote, make) -> None:
    project.put(remote, bundle("vip"))
    publish(project, remote, "user-1")
    client = looked_after(make())
    publish(project, remote, "user-1", "user-2")
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=_in_child, args=(client, queue))
    child.start()
    child.join(30)
    assert queue.get() == (True, True)
    assert not client.is_enabled("flag", {"targeting_key": "user-2"})


class Reader:
    """Knows lists in its own way."""

    def contains(self, name: str, unit: str) -> bool | None:
        """Return whether a list contains a unit."""
        return (name, unit) == ("vip-list", "user-1")


def test_an_application_may_bring_a_reader_of_its_own(project, remote, make) -> None:
    project.put(remote, bundle("vip"))
    client = make(lists=Reader())
    assert client.wait_until_ready(10)
    assert client.is_enabled("flag", USER)
    assert not client.is_enabled("flag", NOBODY)
    assert worth(client) == {"vip": "healthy"}


def test_publishing_the_same_file_again_changes_nothing_and_a_foreign_pointer_stops_it(project, remote) -> None:
    target = project.target(remote)
    version = ListVersion("vip-list", EVIL)
    assert publish_list(target, project.publishers, version).action == "published"
    assert publish_list(target, project.publishers, version).action == "unchanged"
    remote.put(list_key("production", "vip-list"), b"garbage")
    with pytest.raises(ConflictError, match="cannot be verified"):
        publish_list(target, project.publishers, version)


def test_a_reader_without_a_root_of_trust_checks_everything_but_signatures(remote, project) -> None:
    from flagctl.bundle.accept import Trusted
    from flagctl.bundle.unit_list import read_pointer

    state = Trusted("production")
    assert read_pointer(state, sealed(project, EVIL, signers=[ed25519_signer()]), "vip-list").units == 1
    with pytest.raises(UntrustedError, match="environment"):
        read_pointer(Trusted("staging"), sealed(project, EVIL), "vip-list")
