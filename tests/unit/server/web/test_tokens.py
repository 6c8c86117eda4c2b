"""Reading and renewing bearer tokens."""

from __future__ import annotations

import hashlib
import os

import pytest

from flagctl.errors import UsageError
from flagctl.server.web.tokens import TokenBook, parse_tokens
from tests.simulators.project import Clock

OLD, NEW = "old-token-0123456789", "new-token-0123456789"


def book_of(path):
    clock = Clock()
    return TokenBook(path, monotonic=clock.monotonic), clock


def test_a_line_has_token_name_and_environments():
    hashed = hashlib.sha256(NEW.encode()).hexdigest()
    tokens = parse_tokens(f"{OLD}\n\n# a comment\nshop {NEW}  # here, too\nkiosk sha256:{hashed} staging,qa\n", "x")
    assert [token.name for token in tokens] == ["token-1", "shop", "kiosk"]
    assert tokens[1].digest == tokens[2].digest
    assert tokens[1].environments is None
    assert tokens[2].environments == {"staging", "qa"}


@pytest.mark.parametrize(
    "text", ["", "# nothing", "short", "na!me " + OLD, "a b c d", "name with\u00e4-umlaut-0123456789", "x " + "y" * 600]
)
def test_anything_else_is_refused_without_repeating_it(text):
    with pytest.raises(UsageError) as caught:
        parse_tokens(text, "the file")
    for word in text.split():
        assert len(word) < 5 or word not in caught.value.message


def test_a_file_that_changes_is_read_again(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"shop {OLD}\n")
    book, clock = book_of(path)
    assert book.required
    assert book.find(OLD).name == "shop"
    path.write_text(f"shop {OLD}\nshop {NEW}\n")
    assert book.find(NEW) is None  # not looked at yet
    clock.pass_by(1.0)
    assert book.find(NEW).name == book.find(OLD).name == "shop"
    path.write_text(f"shop {NEW}\n")
    clock.pass_by(1.0)
    assert book.find(OLD) is None
    assert book.find(NEW) is not None


def test_a_link_turned_to_another_file_is_a_change(tmp_path):
    for name, token in (("one", OLD), ("two", NEW)):
        (tmp_path / name).write_text(f"shop {token}\n")
        os.utime(tmp_path / name, (1, 1))
    link = tmp_path / "tokens"
    link.symlink_to("one")
    book, clock = book_of(link)
    link.unlink()
    link.symlink_to("two")
    clock.pass_by(1.0)
    assert book.find(NEW) is not None


@pytest.mark.parametrize("breakage", ["gone", "empty", "bytes", "nonsense"])
def test_a_broken_file_leaves_the_old_tokens_in_force_and_is_told(tmp_path, breakage):
    path = tmp_path / "tokens"
    path.write_text(f"shop {OLD}\n")
    book, clock = book_of(path)
    if breakage == "gone":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "bytes": b"\xff\xfe", "nonsense": b"a b c d"}[breakage])
    clock.pass_by(1.0)
    assert book.find(OLD) is not None
    assert str(path) in book.problem
    path.write_text(f"shop {NEW}\n")
    clock.pass_by(1.0)
    assert book.find(NEW) is not None
    assert book.problem is None


def test_a_file_that_cannot_be_read_at_the_start_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        TokenBook(tmp_path / "none")


def test_tokens_of_the_environment_hold_beside_the_file_s(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"shop {OLD}\n")
    book = TokenBook(path, text=NEW)
    assert book.find(OLD).name == "shop"
    assert book.find(NEW).name == "token-1"


def test_a_ticket_opens_one_door_only():
    book = TokenBook(text=f"shop {OLD}\nother {NEW}")
    ticket = book.find(OLD).ticket("/events")
    assert book.find_ticket(ticket, "/events").name == "shop"
    assert book.find_ticket(ticket, "/other") is None
    assert book.find(ticket) is None
    assert OLD not in ticket


def test_odd_text_is_no_token():
    book = TokenBook(text=OLD)
    for text in ("", "\u00e4", "\ud800", OLD + " ", OLD[:-1]):
        assert book.find(text) is None
        assert book.find_ticket(text, "/events") is None
