"""Who agreed to a change: read from a pull request's reviews, or from the trailers of its commits.

Nothing is asked of a server here. What a review says is believed as it is given; where it comes from is the caller's business
(a pipeline that fetches it with `gh`, or commits whose signatures the forge checks).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_TRUSTED = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
"""How the author of a review must stand to the repository; anybody can review a public one."""
_DECISIONS = frozenset({"APPROVED", "CHANGES_REQUESTED", "DISMISSED"})
"""States that replace a reviewer's earlier one; a comment doesn't."""
_TRAILER = re.compile(r"(?P<name>[^<]*?)\s*<(?P<email>[^<>\s]+@[^<>\s]+)>\s*\Z")
_NOREPLY = re.compile(r"(?:[0-9]+\+)?(?P<login>[a-z0-9-]+(?:\[bot\])?)@users\.noreply\.github\.com\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody, by every name that is known: login and e-mail address, in lower case. `shown` is for people."""

    shown: str
    names: frozenset[str]

    def is_one_of(self, names: Iterable[str]) -> bool:
        """Whether any of the person's names is among `names`."""
        return not self.names.isdisjoint(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvals:
    """Who said what.

    Attributes:
        approvers: Those whose last word was yes, in the order of that word.
        objectors: Those whose last word was a request for changes.
        authors: Who wrote the change, as far as that is known.
        bare: Commits of the change that nobody but their authors agreed to, where commits carry the approvals.
    """

    approvers: tuple[Person, ...] = ()
    objectors: tuple[Person, ...] = ()
    authors: tuple[Person, ...] = ()
    bare: tuple[str, ...] = ()

    @property
    def independent(self) -> tuple[Person, ...]:
        """Approvers that are no authors: nobody approves their own change."""
        own = {name for author in self.authors for name in author.names}
        return tuple(person for person in self.approvers if not person.is_one_of(own))


def person(*, login: str | None = None, email: str | None = None) -> Person:
    """Return a person; GitHub's anonymous e-mail addresses tell the login, too.

    >>> sorted(person(email="1+Ann@users.noreply.github.com").names)
    ['1+ann@users.noreply.github.com', 'ann']
    """
    names = {name.removeprefix("@").lower() for name in (login, email) if name}
    match = _NOREPLY.match((email or "").lower())
    if match:
        names.add(match["login"])
    shown = login or (match["login"] if match else None) or email or "nobody"
    return Person(shown=shown.removeprefix("@"), names=frozenset(names))


def merge(*parts: Approvals) -> Approvals:
    """Return approvals from several sources as one; a person that is in two of them counts once."""
    return Approvals(
        approvers=_distinct(p for part in parts for p in part.approvers),
        objectors=_distinct(p for part in parts for p in part.objectors),
        authors=tuple(dict.fromkeys(p for part in parts for p in part.authors)),
        bare=tuple(commit for part in parts for commit in part.bare),
    )


def _distinct(people: Iterable[Person]) -> tuple[Person, ...]:
    found: list[Person] = []
    for one in people:
        same = next((index for index, other in enumerate(found) if one.is_one_of(other.names)), None)
        if same is None:
            found.append(one)
        else:
            found[same] = Person(shown=found[same].shown, names=found[same].names | one.names)
    return tuple(found)


def parse_reviews(data: bytes, *, name: str) -> Approvals:
    """Read the reviews of a pull request.

    Both forms are known: the list that ``gh api repos/OWNER/REPO/pulls/N/reviews`` prints (with ``--paginate --slurp``, too), and
    the object of ``gh pr view N --json reviews,author``. Of each reviewer the last approval, request for changes or dismissal counts,
    and only of those who belong to the repository, where that is said.

    Args:
        data: JSON.
        name: Of the file, for messages.

    Raises:
        UsageError: If it is neither.
    """
    how = "gh pr view NUMBER --json reviews,author > FILE"
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} is no JSON", hint=how) from error
    authors: tuple[Person, ...] = ()
    reviews: Any = document
    if isinstance(document, dict):
        reviews = document.get("reviews")
        login = _login(document.get("author"))
        authors = (person(login=login),) if login else ()
    elif isinstance(document, list) and document and all(isinstance(page, list) for page in document):
        reviews = [review for page in document for review in page]
    if not isinstance(reviews, list) or not all(isinstance(review, dict) for review in reviews):
        raise UsageError(f"{name} holds no reviews of a pull request", hint=how)
    last: dict[str, str] = {}
    for review in _in_order(reviews):
        login, state = _login(review.get("user") or review.get("author")), review.get("state")
        if login is None or not isinstance(state, str):
            raise UsageError(f"{name} holds a review without its author or state", hint=how)
        if state.upper() in _DECISIONS and _counts(review):
            last.pop(login, None)
            last[login] = state.upper()
    return Approvals(
        approvers=tuple(person(login=login) for login, state in last.items() if state == "APPROVED"),
        objectors=tuple(person(login=login) for login, state in last.items() if state == "CHANGES_REQUESTED"),
        authors=authors,
    )


def _in_order(reviews: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def submitted(review: Mapping[str, Any]) -> str:
        return str(review.get("submitted_at") or review.get("submittedAt") or "")

    return sorted(reviews, key=submitted)  # stable: without instants the order is the given one


def _login(user: Any) -> str | None:
    login = user.get("login") if isinstance(user, dict) else None
    return login.lower() if isinstance(login, str) and login else None


def _counts(review: Mapping[str, Any]) -> bool:
    association = review.get("author_association") or review.get("authorAssociation")
    return association is None or association in _TRUSTED


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitTrailers:
    """What a commit says about who wrote it and who agreed.

    Attributes:
        commit: Its id.
        email: Of its author.
        trailers: Name and value of each, such as ``("Approved-by", "Ann <ann@example.com>")``.
        brought: Ids of the commits that it merges; empty for other commits.
        touches: Whether it changes flag files itself.
    """

    commit: str
    email: str
    trailers: tuple[tuple[str, str], ...]
    brought: frozenset[str] = frozenset()
    touches: bool = True


def parse_trailers(commits: Iterable[CommitTrailers]) -> Approvals:
    """Read approvals from the trailers ``Approved-by`` and ``Signed-off-by`` of commits.

    A merge's trailers speak for the commits that it brought. ``Co-authored-by`` names further authors.
    """
    everything = tuple(commits)
    touching = [c for c in everything if c.touches]
    merges = [c for c in everything if c.brought]
    approvers: list[Person] = []
    authors: list[Person] = []
    bare = []
    for commit in touching:
        speaking = [commit, *(merge for merge in merges if commit.commit in merge.brought)]
        written = [person(email=commit.email), *_people(commit, {"co-authored-by"})]
        agreed = [one for speaker in speaking for one in _people(speaker, {"approved-by", "signed-off-by"})]
        own = {name for author in written for name in author.names}
        if all(one.is_one_of(own) for one in agreed):
            bare.append(commit.commit[:12])
        authors += written
        approvers += agreed
    return Approvals(approvers=_distinct(approvers), authors=_distinct(authors), bare=tuple(bare))


def _people(commit: CommitTrailers, names: set[str]) -> Iterator[Person]:
    for name, value in commit.trailers:
        if name.lower() not in names:
            continue
        match = _TRAILER.match(value)
        if match:
            yield person(email=match["email"])
        elif re.fullmatch(r"@[A-Za-z0-9-]+", value.strip()):
            yield person(login=value.strip())
