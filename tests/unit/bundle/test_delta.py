from __future__ import annotations

import hashlib
import random
import time

import pytest

from flagctl.bundle.accept import Shortcuts, accept, trusting
from flagctl.bundle.blob import pack
from flagctl.bundle.delta import MAX_DELTA, apply, compare, join, read_delta, write_delta
from flagctl.bundle.layout import BundleContents, write_bundle
from flagctl.bundle.manifest import Delta, delta_of
from flagctl.errors import BundleFormatError, RemoteError, UntrustedError
from flagctl.evaluator.document import check_changes, check_structure, open_bundle, plain_bytes
from tests.scale import scaled
from tests.simulators.project import NOW, Project, bundle_of

OFF = {"type": "boolean", "variants": [["on", True], ["off", False]], "off": 1, "default": {"serve": 1}}
ON = {**OFF, "default": {"serve": 0}}


def flag(rng: random.Random, number: int, segments: list[str], patterns: list[str]) -> dict:
    entry = {**OFF, "default": {"serve": rng.randrange(2)}}
    conditions = []
    if segments and rng.random() < 0.4:
        conditions.append({"segment": rng.choice(segments)})
    if patterns and rng.random() < 0.3:
        conditions.append({"attribute": "email", "operator": "matches", "value": rng.choice(patterns)})
    if conditions:
        entry["rules"] = [{"id": "rule", "serve": 0, "when": conditions}]
    if number and rng.random() < 0.3:
        entry["prerequisites"] = [[f"flag-{rng.randrange(number)}", ["on"]]]
    return entry


PATTERN = {"accept": [1], "classes": [[0, 0], [97, 1], [98, 0]], "next": [[0, 1], [1, 1]]}


def contents(rng: random.Random) -> dict:
    """A small bundle's sections, with references of every kind."""
    patterns = dict.fromkeys(rng.sample(["a", 'q"uote', "back\\slash", "ümlaut"], rng.randrange(4)), PATTERN)
    segments = {f"segment-{number}": {"include": ["u"]} for number in range(rng.randrange(4))}
    flags = {
        f"flag-{number}": flag(rng, number, sorted(segments), sorted(patterns)) for number in range(rng.randrange(1, 9))
    }
    experiments = {}
    if rng.random() < 0.4:
        name = rng.choice(sorted(flags))
        experiments["test"] = {"flag": name}
        rule = {
            "id": "test",
            "experiment": {"key": "test", "status": "running", "salt": "s", "slots": [[0, 100_000]]},
            "salt": "t",
            "split": [[50_000, 0], [100_000, 1]],
        }
        flags[name]["rules"] = [*flags[name].get("rules", []), rule]
    return {"flags": flags, "segments": segments, "patterns": patterns, "experiments": experiments}


def bundle(sections: dict, capabilities: tuple[str, ...] = ("segments",)) -> bytes:
    return write_bundle(
        BundleContents(project="acme", environment="production", capabilities=frozenset(capabilities), **sections)
    )


def changed(rng: random.Random, sections: dict) -> dict:
    """The sections after a few edits, good ones and such that break references, make cycles or malform an entry."""
    after = {name: dict(entries) for name, entries in sections.items()}
    for _ in range(rng.randrange(1, 4)):
        section = rng.choice(sorted(after))
        keys = sorted(after[section])
        kind = rng.randrange(6)
        if kind == 0 and keys:
            del after[section][rng.choice(keys)]
        elif kind == 1 and after["flags"]:
            names = sorted(after["flags"])
            key = rng.choice(names)
            need = rng.choice([*names, "missing"])
            after["flags"][key] = {**after["flags"][key], "prerequisites": [[need, ["on"]]]}
        elif kind == 2 and after["segments"]:
            names = sorted(after["segments"])
            after["segments"][rng.choice(names)] = {"when": [{"segment": rng.choice([*names, "missing"])}]}
        elif kind == 3 and keys:
            after[section][rng.choice(keys)] = rng.choice([{}, {"type": "boolean"}, {"flag": 1}, PATTERN, ON])
        elif kind == 4 and after["experiments"] and after["flags"]:
            after["experiments"]["test"] = {"flag": rng.choice(sorted(after["flags"]))}
        else:
            after["flags"][f"flag-{rng.randrange(12)}"] = ON
    return after


def outcome(check, *documents) -> str:
    try:
        check(*documents)
    except BundleFormatError:
        return "refused"
    return "good"


def reference(patch, blob: bytes) -> Delta:
    return delta_of(patch.source, blob)


def test_applying_a_delta_gives_the_other_bundle_and_checking_the_changes_says_what_checking_everything_says():
    rng = random.Random(1)
    outcomes = {"good": 0, "refused": 0}
    for _ in range(scaled(1_500, 60_000)):
        sections = contents(rng)
        before = open_bundle(bundle(sections))
        check_structure(before)
        data = bundle(changed(rng, sections), rng.choice([("segments",), ("segments", "patterns")]))
        after = open_bundle(data)
        patch = compare(before, after)
        blob = write_delta(patch)
        assert blob is not None
        read = read_delta(reference(patch, blob), after.sha256, blob)
        assert read == patch
        patched = apply(before, read)
        assert plain_bytes(patched) == data
        assert (patched.header, patched.size, patched.flag_keys()) == (after.header, after.size, after.flag_keys())
        full = outcome(check_structure, after)
        assert outcome(check_changes, before, patched) == full, data
        outcomes[full] += 1
    assert min(outcomes.values()) > 100


def test_references_that_are_spelt_with_escapes_are_found_too():
    sections = {"flags": {"a": {**ON, "prerequisites": [["zz", ["on"]]]}, "b": OFF, "zz": OFF}}
    escaped = bundle(sections).replace(b'[["zz"', b'[["\\u007az"')
    before = open_bundle(escaped)
    check_structure(before)
    gone = escaped.index(b',\n"zz":')
    without = escaped[:gone] + escaped[escaped.index(b"\n", gone + 2) :]
    after = apply(before, compare(before, open_bundle(without)))
    assert outcome(check_structure, after) == outcome(check_changes, before, after) == "refused"


def test_patches_one_after_the_other_are_one_patch():
    rng = random.Random(2)
    for _ in range(scaled(300, 10_000)):
        sections = contents(rng)
        later = changed(rng, sections)
        one, two, three = (open_bundle(bundle(item)) for item in (sections, later, changed(rng, later)))
        joined = join(compare(one, two), compare(two, three))
        assert plain_bytes(apply(one, joined)) == plain_bytes(three)


def test_so_many_entries_gone_that_everything_is_looked_at():
    flags = {f"flag-{number}": OFF for number in range(100)}
    before = open_bundle(bundle({"flags": flags}))
    after = open_bundle(bundle({"flags": {"last": {**ON, "prerequisites": [["flag-1", ["on"]]]}}}))
    assert outcome(check_changes, before, apply(before, compare(before, after))) == "refused"


def test_a_delta_as_long_as_a_bundle_is_not_written():
    big = {**ON, "owner": "x" * MAX_DELTA}
    patch = compare(open_bundle(bundle({"flags": {"a": OFF}})), open_bundle(bundle({"flags": {"a": big}})))
    assert write_delta(patch) is None


ONE, TWO = bundle_of(a=True, b=True), bundle_of(a=False, b=True)


@pytest.fixture(scope="module")
def project():
    return Project()


def damage(blob: bytes) -> dict[str, tuple[str, bytes]]:
    """Stored deltas that are wrong, as a thief with the publishing key could sign them."""
    text = "\n".join
    good = write_delta(compare(open_bundle(ONE), open_bundle(TWO)))
    assert good == blob
    source, result = (hashlib.sha256(item).hexdigest() for item in (ONE, TWO))
    head = f'{{"from":"{source}","to":"{result}","v":1}}'
    return {
        "malformed-delta": (
            "malformed-delta",
            pack(text([head, "nonsense", ""]).encode()),
        ),
        "an unknown section": ("malformed-delta", pack(text([head, '+ things "a":{}', ""]).encode())),
        "no key": ("malformed-delta", pack(text([head, "- flags 7", ""]).encode())),
        "between others": ("malformed-delta", pack(b'{"from":"x","to":"y","v":1}\n')),
        "cut off": ("malformed-delta", pack(head.encode())),
        "no gzip": ("bad-compression", b"nonsense"),
        "torn gzip": ("bad-compression", blob[:-5]),
        "a bomb": ("malformed-delta", pack(head.encode() + b"\n" + b" " * (3 * MAX_DELTA))),
        "a line without a key": ("malformed-bundle", pack(text([head, "+ flags x", ""]).encode())),
    }


@pytest.mark.parametrize("name", damage(write_delta(compare(open_bundle(ONE), open_bundle(TWO))) or b""))
def test_a_bad_delta_is_refused_with_a_code(name):
    blob = write_delta(compare(open_bundle(ONE), open_bundle(TWO)))
    reason, bad = damage(blob)[name]
    delta = delta_of(hashlib.sha256(ONE).hexdigest(), bad)
    with pytest.raises(UntrustedError) as caught:
        read_delta(delta, hashlib.sha256(TWO).hexdigest(), bad)
    assert caught.value.reason == reason


def test_a_delta_with_another_digest_than_the_signed_one_is_refused():
    patch = compare(open_bundle(ONE), open_bundle(TWO))
    blob = write_delta(patch)
    for wrong in (blob + b" ", bytes([blob[0] ^ 1]) + blob[1:]):
        with pytest.raises(UntrustedError) as caught:
            read_delta(reference(patch, blob), patch.result, wrong)
        assert caught.value.reason == "wrong-delta-digest"


def test_a_delta_for_another_bundle_or_to_another_result_is_not_applied():
    patch = compare(open_bundle(ONE), open_bundle(TWO))
    for wrong in (patch._replace(source="0" * 64), patch._replace(result="0" * 64)):
        with pytest.raises(BundleFormatError):
            apply(open_bundle(ONE), wrong)


@pytest.mark.parametrize("trouble", ["missing", "damaged", "lying", "wrong size"])
def test_whatever_is_wrong_with_a_delta_the_whole_bundle_is_fetched(project, trouble):
    state = accept(
        trusting(project.trust, "production"), project.sealed(project.manifest(ONE)), lambda _: pack(ONE), now=NOW
    )
    patch = compare(open_bundle(ONE), open_bundle(TWO))
    blob = write_delta(patch)
    lying = write_delta(
        compare(open_bundle(ONE), open_bundle(bundle_of(a=True, evil=True)))._replace(result=patch.result)
    )
    stored = lying if trouble == "lying" else blob
    manifest = project.manifest(TWO, seq=2, deltas=(reference(patch, stored),))
    if trouble == "wrong size":
        manifest = manifest._replace(bundle=manifest.bundle._replace(size=manifest.bundle.size + 1))

    def read(*_: object) -> bytes:
        if trouble == "missing":
            raise RemoteError("it is gone")
        return stored + b"x" if trouble == "damaged" else stored

    asked = []

    def whole(_: object) -> bytes:
        asked.append(1)
        return pack(TWO)

    data = project.sealed(manifest)
    if trouble == "wrong size":
        with pytest.raises(UntrustedError):
            accept(state, data, whole, now=NOW, shortcuts=Shortcuts(delta=read))
    else:
        following = accept(state, data, whole, now=NOW, shortcuts=Shortcuts(delta=read))
        assert plain_bytes(following.document) == TWO
    assert asked == [1]


def test_a_patched_bundle_that_is_wrong_inside_is_refused(project):
    bad = bundle({"flags": {"a": {**ON, "prerequisites": [["missing", ["on"]]]}, "b": OFF}}, ())
    state = accept(
        trusting(project.trust, "production"), project.sealed(project.manifest(ONE)), lambda _: pack(ONE), now=NOW
    )
    patch = compare(open_bundle(ONE), open_bundle(bad))
    blob = write_delta(patch)
    data = project.sealed(project.manifest(bad, seq=2, deltas=(reference(patch, blob),)))
    with pytest.raises(BundleFormatError, match="missing"):
        accept(state, data, lambda _: pack(bad), now=NOW, shortcuts=Shortcuts(delta=lambda *_: blob))


def test_one_flag_of_ten_thousand_costs_little(project):
    from flagctl.evaluator.flagset import FlagSet
    from flagctl.ops.bench_flags import large_bundle

    data = large_bundle(10_000, 1).replace(b'"project":"', b'"project":"', 1)
    before = open_bundle(data)
    lines = data.split(b"\n")
    at = next(number for number, line in enumerate(lines) if line.startswith(b'"flag-05000"'))
    lines[at] = lines[at].replace(b'"owner":"', b'"owner":"x-', 1)
    after = open_bundle(b"\n".join(lines))
    patch = compare(before, after)
    blob = write_delta(patch)
    assert len(patch.lines) == 1
    assert len(blob) < 1_000
    flags = FlagSet(before)

    def cost(work) -> float:
        best = 9.0
        for _ in range(5):
            begun = time.process_time()
            work()
            best = min(best, time.process_time() - begun)
        return best

    def by_delta() -> None:
        patched = apply(before, read_delta(reference(patch, blob), patch.result, blob))
        check_changes(before, patched)
        flags.replace(patched).evaluate("flag-05000", {"targeting_key": "u"})

    packed = pack(b"\n".join(lines))

    def whole() -> None:
        import zlib

        check_structure(open_bundle(zlib.decompress(packed, 31)))

    assert cost(by_delta) < cost(whole) / 10
