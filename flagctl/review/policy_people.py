"""Rules of a policy about people and time: who agreed, and whether this is the hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.model import Breaking
from flagctl.review import words
from flagctl.review.changes import Category
from flagctl.review.facts import is_documentation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from flagctl.model import Repository
    from flagctl.review.approvals import Person
    from flagctl.review.changes import Change
    from flagctl.review.facts import Facts
    from flagctl.review.verdicts import Verdict

_HOW = "have it reviewed, and give the reviews: --approvals FILE (gh pr view N --json reviews,author) or --approvals trailers"
_NOT_GIVEN = "no approvals were given"


def check_freeze(facts: Facts) -> Iterator[Verdict]:
    """POL101: nothing is published in a freeze window."""
    if not facts.freeze:
        return
    open_windows = [w for w in facts.freeze if w.from_ms <= facts.now_ms < w.until_ms]
    now = words.instant(facts.now_ms // 1000 * 1000)
    for window in open_windows if facts.diff.changes else ():
        yield facts.verdict(
            "POL101",
            "freeze",
            now,
            f"not before {words.instant(window.until_ms)}",
            f"changes are frozen: {window.reason}",
            help=f"wait until {words.instant(window.until_ms)}; if it cannot wait: --override freeze='why'",
        )
    if not (open_windows and facts.diff.changes):
        yield facts.verdict("POL101", "freeze", now, f"{len(facts.freeze)} windows", "no freeze window is open")


def check_approvals(facts: Facts) -> Iterator[Verdict]:
    """POL201: enough people agreed. POL202: owners of what changes are among them. POL203: nobody objects.

    POL205: each commit was agreed to, where the commits carry the approvals.
    """
    policy = facts.policy.approvals
    changes = [change for change in facts.diff.changes if not is_documentation(change)]
    if policy is None:
        return
    required = policy.required if changes else 0
    given = facts.approvals.independent if facts.approvals is not None else ()
    shown = f"{len(given)} ({_names(given)})" if given else "0"
    if len(given) >= required:
        message = "enough people agreed" if changes else "nothing changes that needs an approval"
        yield facts.verdict("POL201", "approvals", shown, f"at least {required}", message)
    else:
        what = "approval" if required == 1 else "approvals"
        found = _NOT_GIVEN if facts.approvals is None else f"there is {shown}" if given else "there is none"
        yield facts.verdict(
            "POL201",
            "approvals",
            shown,
            f"at least {required}",
            f"the change needs {required} {what} by others than its author; {found}",
            help=_HOW,
        )
    if facts.approvals is not None and facts.approvals.objectors and changes:
        objectors = _names(facts.approvals.objectors)
        yield facts.verdict(
            "POL203",
            "approvals",
            objectors,
            "nobody",
            f"changes were requested by {objectors}",
            help="settle it with them: a newer approval, or a dismissal of their review, lifts this",
        )
    if facts.approvals is not None and facts.approvals.bare and required:
        bare = facts.approvals.bare
        yield facts.verdict(
            "POL205",
            "approvals",
            f"{len(bare)} without",
            "each commit",
            f"nobody but the author agreed to commit {_few(list(bare))}",
            help="add the trailer `Approved-by: NAME <EMAIL>` to it, or to the merge that brought it",
        )
    if policy.from_owners:
        yield from _check_owners(facts, changes, given)


def _check_owners(facts: Facts, changes: list[Change], given: Iterable[Person]) -> Iterator[Verdict]:
    missing = False
    concerned = owners_of(changes, facts.owned)
    for owner, keys in concerned.items():
        problem = lacks_owner(facts, owner, given)
        if problem is not None:
            missing = True
            yield facts.verdict(
                "POL202",
                "approvals",
                "0",
                f"1 by {owner}",
                f"{_some(keys)} belongs to {owner}, and {problem[0]}"
                if len(keys) == 1
                else f"{_some(keys)} belong to {owner}, and {problem[0]}",
                subject=keys[0] if len(keys) == 1 else None,
                place=facts.place_of(keys[0]),
                help=problem[1],
            )
    if not missing:
        yield facts.verdict(
            "POL202", "approvals", f"{len(concerned)} owners", f"all {len(concerned)} owners", "all owners agreed"
        )


def lacks_owner(facts: Facts, owner: str, given: Iterable[Person]) -> tuple[str, str] | None:
    """Return what is wrong and how to proceed if nobody of `given` speaks for an owner; None if somebody does."""
    entry = facts.owners.get(owner)
    if entry is None:
        return (
            "nobody knows who that is",
            f"add to flagctl.yaml: owners: {{{owner}: '@person'}} or {{handle: '@organisation/team', members: [...]}}",
        )
    if not entry.people:
        return (
            f"the members of {entry.handle} are not known offline",
            f"list them in flagctl.yaml: owners: {{{owner}: {{handle: '{entry.handle}', members: [...]}}}}",
        )
    if any(person.is_one_of(entry.people) for person in given):
        return None
    found = _NOT_GIVEN if facts.approvals is None else f"none of its people agreed ({_few(sorted(entry.people))})"
    return found, f"ask {entry.handle} for a review; {_HOW}" if facts.approvals is None else (
        f"ask {entry.handle} for a review"
    )


def owners_of(changes: Iterable[Change], owned: Sequence[Repository]) -> dict[str, tuple[str, ...]]:
    """Return the owners of changed documents with what belongs to them; the first repository that names an owner decides.

    What has no owner of its own is the business of whoever owns `flagctl.yaml`.
    The owner before the change counts, so that nobody makes a flag their own to approve it; a new document has its new one.
    """
    found: dict[str, dict[str, None]] = {}
    for change in changes:
        owner = _owner(change, owned)
        if owner is not None:
            name = change.key if change.kind != "config" else "flagctl.yaml"
            found.setdefault(owner, {})[name] = None
    return {owner: tuple(keys) for owner, keys in sorted(found.items())}


def _owner(change: Change, owned: Sequence[Repository]) -> str | None:
    for repository in owned:
        kinds: Mapping[str, Mapping[str, Any]] = {
            "flag": repository.flags,
            "segment": repository.segments,
            "experiment": repository.experiments,
            "layer": repository.layers,
            "config": {change.key: repository.config},
        }
        item = kinds[change.kind].get(change.key)
        if item is not None and item.owner:
            return str(item.owner)
    return next((repository.config.owner for repository in owned if repository.config.owner), None)


def check_duties(facts: Facts) -> Iterator[Verdict]:
    """POL204: somebody agreed who neither wrote nor publishes the change."""
    if not facts.policy.separation_of_duties:
        return
    if all(is_documentation(change) for change in facts.diff.changes):
        yield facts.verdict(
            "POL204", "separation_of_duties", "0", "at least 0", "nothing changes that needs two people"
        )
        return
    given = facts.approvals.independent if facts.approvals is not None else ()
    publisher = facts.publisher
    free = [p for p in given if publisher is None or not p.is_one_of(publisher.names)]
    if free:
        yield facts.verdict(
            "POL204", "separation_of_duties", _names(free), "at least 1", "author, approver and publisher differ"
        )
        return
    only_publisher = bool(given) and publisher is not None
    message = (
        f"the only approval is by {publisher.shown}, who publishes the change"
        if only_publisher and publisher is not None
        else "nobody but the author agreed to the change"
        if facts.approvals is not None
        else f"somebody else than the author has to agree; {_NOT_GIVEN}"
    )
    yield facts.verdict(
        "POL204",
        "separation_of_duties",
        "0",
        "at least 1",
        message,
        help="let somebody else publish it, or get one more approval" if only_publisher else _HOW,
    )


_BREAKING = {
    "flag-removed": "BRK101",
    "type-changed": "BRK102",
    "variant-removed": "BRK103",
    "variant-renamed": "BRK103",
    "project-changed": "BRK104",
    "environment-removed": "BRK105",
}
"""Changes after which calling code may fail or get its own defaults."""


def check_breaking(facts: Facts) -> Iterator[Verdict]:
    """BRK101 to BRK105: flags, types, variants, the project or the environment go away only as the policy says."""
    mode = facts.policy.breaking
    if mode is None:
        return
    given = facts.approvals.independent if facts.approvals is not None else ()
    breaking = [c for c in facts.diff.changes if c.code in _BREAKING and _concerns(c, facts)]
    refused = False
    for change in breaking:
        message = f"{change.key}: {change.message}; calling code may break"
        problem = None
        if mode is Breaking.OWNERS:
            owner = _owner(change, facts.owned)
            if owner is not None:
                problem = lacks_owner(facts, owner, given)
            elif not given:
                problem = ("nobody approved it", _HOW)
            if problem is None:
                continue
            message += f": {problem[0]}"
        refused = True
        yield facts.verdict(
            _BREAKING[change.code],
            "breaking",
            change.message,
            "never" if mode is Breaking.FORBID else "with its owner",
            message,
            subject=change.key,
            place=change.before or change.after,
            help=problem[1]
            if problem is not None
            else "first make sure that no code asks for it, then --override breaking='where that was checked'",
        )
    if not refused:
        yield facts.verdict(
            "BRK100",
            "breaking",
            str(len(breaking)),
            "none" if mode is Breaking.FORBID else "with their owners",
            "nothing breaks calling code" if not breaking else "owners agreed to what breaks",
        )


def _concerns(change: Change, facts: Facts) -> bool:
    return change.category is Category.CODE or (
        change.code == "environment-removed" and change.key == facts.environment
    )


def _names(people: Iterable[Person]) -> str:
    return _few([person.shown for person in people])


def _some(keys: tuple[str, ...]) -> str:
    return _few(list(keys))


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
