from __future__ import annotations

import json
from typing import Any

import pytest

from flagctl.errors import UsageError
from flagctl.review.approvals import Approvals, CommitTrailers, merge, parse_reviews, parse_trailers, person


def rest(login: str, state: str, at: str, association: str = "MEMBER") -> dict[str, Any]:
    """A review as GitHub's REST interface has it."""
    return {
        "user": {"login": login},
        "state": state,
        "submitted_at": at,
        "author_association": association,
        "commit_id": "a" * 40,
    }


def graph(login: str, state: str, at: str, association: str = "COLLABORATOR") -> dict[str, Any]:
    """The same as `gh pr view --json reviews` prints it."""
    return {"author": {"login": login}, "authorAssociation": association, "state": state, "submittedAt": at}


def read(document: Any) -> Approvals:
    return parse_reviews(json.dumps(document).encode(), name="reviews.json")


def shown(people: Any) -> list[str]:
    return [one.shown for one in people]


def test_the_last_decision_of_each_reviewer_counts_and_comments_are_none() -> None:
    found = read(
        [
            rest("ann", "CHANGES_REQUESTED", "2026-11-01T10:00:00Z"),
            rest("bob", "APPROVED", "2026-11-01T11:00:00Z"),
            rest("ann", "APPROVED", "2026-11-01T12:00:00Z"),
            rest("ann", "COMMENTED", "2026-11-01T13:00:00Z"),
            rest("bob", "CHANGES_REQUESTED", "2026-11-01T14:00:00Z"),
            rest("eve", "DISMISSED", "2026-11-01T15:00:00Z"),
        ]
    )
    assert shown(found.approvers) == ["ann"]
    assert shown(found.objectors) == ["bob"]


def test_reviews_in_any_order_are_sorted_by_their_instants() -> None:
    reviews = [rest("ann", "APPROVED", "2026-11-02T00:00:00Z"), rest("ann", "DISMISSED", "2026-11-01T00:00:00Z")]
    assert shown(read(reviews).approvers) == ["ann"]
    assert shown(read(reviews[::-1]).approvers) == ["ann"]


def test_the_form_of_gh_pr_view_names_the_author_too() -> None:
    found = read(
        {"author": {"login": "Dev"}, "reviews": [graph("ann", "APPROVED", "1"), graph("dev", "APPROVED", "2")]}
    )
    assert shown(found.authors) == ["dev"]
    assert shown(found.approvers) == ["ann", "dev"]
    assert shown(found.independent) == ["ann"]


def test_pages_of_reviews_are_read_as_one_list() -> None:
    assert shown(read([[rest("ann", "APPROVED", "1")], [rest("bob", "APPROVED", "2")]]).approvers) == ["ann", "bob"]
    assert read([]) == Approvals()


@pytest.mark.parametrize(
    ("association", "counts"),
    [("OWNER", True), ("MEMBER", True), ("COLLABORATOR", True), ("CONTRIBUTOR", False), ("NONE", False), (None, True)],
)
def test_only_people_of_the_repository_approve(association: Any, counts: bool) -> None:
    for make in (rest, graph):
        assert bool(read([make("ann", "APPROVED", "1", association)]).approvers) is counts


@pytest.mark.parametrize(
    "data",
    [
        b"no",
        b"7",
        b'{"reviews": 7}',
        b"[7]",
        b'[{"state": "APPROVED"}]',
        b'[{"user": null, "state": "APPROVED"}]',
        b"[" * 9999,
    ],
)
def test_anything_else_is_refused_with_the_command_that_makes_it(data: bytes) -> None:
    with pytest.raises(UsageError) as refused:
        parse_reviews(data, name="reviews.json")
    assert "reviews.json" in refused.value.message
    assert "gh pr view" in str(refused.value.hint)


def commit(name: str, *trailers: str, email: str = "dev@example.com", **more: Any) -> CommitTrailers:
    pairs = tuple((key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in trailers))
    return CommitTrailers(commit=name * 40, email=email, trailers=pairs, **more)


def test_trailers_name_who_agreed_and_who_wrote() -> None:
    found = parse_trailers(
        [
            commit("a", "Approved-by: Ann <Ann@example.com>", "Co-authored-by: Cy <cy@example.com>"),
            commit("b", "Signed-off-by: Dev <dev@example.com>", "signed-off-by: Bob <bob@example.com>"),
            commit("c", "Approved-by: @zoe", "Approved-by: just a name", "Reviewed-by: Eve <eve@example.com>"),
        ]
    )
    assert shown(found.independent) == ["Ann@example.com", "bob@example.com", "zoe"]
    assert shown(found.authors) == ["dev@example.com", "cy@example.com"]
    assert found.bare == ()


def test_a_commit_that_only_its_authors_signed_is_bare() -> None:
    own = commit("a", "Signed-off-by: Dev <DEV@example.com>")
    co = commit("b", "Co-authored-by: Ann <ann@example.com>", "Approved-by: Ann <ann@example.com>")
    other = commit("c", "Approved-by: Ann <ann@example.com>")
    assert parse_trailers([own, co, other]).bare == ("a" * 12, "b" * 12)


def test_a_merge_speaks_for_the_commits_that_it_brought() -> None:
    merge_of = commit("m", "Approved-by: Ann <ann@example.com>", brought=frozenset({"a" * 40}), touches=False)
    assert parse_trailers([merge_of, commit("a")]).bare == ()
    assert parse_trailers([merge_of, commit("b")]).bare == ("b" * 12,)
    evil = commit("m", brought=frozenset({"a" * 40}), touches=True)
    assert parse_trailers([evil, commit("a", "Approved-by: Ann <ann@example.com>")]).bare == ("m" * 12,)


def test_commits_of_other_folders_neither_need_nor_give_approvals() -> None:
    foreign = commit("a", "Approved-by: Ann <ann@example.com>", touches=False)
    assert parse_trailers([foreign]) == Approvals()


def test_one_person_in_two_sources_counts_once() -> None:
    by_login = Approvals(approvers=(person(login="ann"),))
    by_mail = Approvals(approvers=(person(email="7+Ann@users.noreply.github.com"), person(email="bob@example.com")))
    assert shown(merge(by_login, by_mail).approvers) == ["ann", "bob@example.com"]
