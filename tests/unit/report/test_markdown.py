"""Markdown: user text means nothing but itself, and a page keeps its limit."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from flagctl.report.markdown import Folded, Page, md, md_code, mermaid_text, size
from flagctl.report.style import one_line

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


class _Text(HTMLParser):
    """Collects the text of each table cell, and all tags."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002  the base class calls it so
        self.tags.append(tag)
        if tag in {"td", "th"}:
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


def table(*cells: str) -> _Text:
    text = f"| {' | '.join('h' for _ in cells)} |\n|{'---|' * len(cells)}\n| {' | '.join(cells)} |\n"
    reader = _Text()
    reader.feed(PARSER.render(text))
    reader.close()
    return reader


HOSTILE = [
    "a | b || c",
    "**bold** _it_ ~~gone~~ `code` \\`x",
    "<script>alert(1)</script><!-- --> </details>",
    "[text](https://example.com) ![x](y) <https://example.com>",
    "@everyone fixes #12 and org/repo#3 :tada: $x^2$",
    "&lt; &#64; &copy;",
    "line\nbreak\r\n| a | b |\n|---|---|",
    "- list",
    "1. list",
    "+ x",
    "```mermaid",
    "\u202e evil \x1b[31m \x00",
    "https://example.com/?a=1&b=2 www.example.com",
    "Größe 文字 😀",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_user_text_in_a_table_is_shown_as_it_is(text: str) -> None:
    shown = table(md(text), md_code(text))
    assert [cell.strip() for cell in shown.cells[2:]] == [one_line(text)] * 2
    assert shown.tags == ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td", "code"]


@given(st.text(max_size=60))
def test_whatever_the_text_is_it_stays_text(text: str) -> None:
    shown = table("x", f"{md(text)}.", f"{md_code(text)}.")
    expected = one_line(text)
    assert [cell.strip() for cell in shown.cells[4:]] == [f"{expected}.".strip()] * 2
    assert set(shown.tags) == {"table", "thead", "tr", "th", "tbody", "td", "code"}


@given(st.text(max_size=40))
def test_text_in_a_list_begins_no_list_of_its_own(text: str) -> None:
    rendered = PARSER.render(f"- {md(text)}x\n")
    assert rendered.count("<li>") == 1
    assert not re.search("<(h1|h2|hr|pre|blockquote|ol|table|a|img|em|strong)[ >]", rendered)


def test_nobody_is_mentioned_and_nothing_is_linked() -> None:
    text = md("@everyone #12 https://example.com www.example.com :tada:")
    assert "@" not in text
    assert "&#64;<!-- -->everyone" in text
    assert "://" not in text
    assert "www." not in text
    assert ":tada" not in text


def test_text_in_a_graph_is_a_label_and_nothing_else() -> None:
    assert mermaid_text('a"]; click n0 "x') == "a#34;#93;#59; click n0 #34;x"
    assert "`" not in mermaid_text("```")


def page(rows: int = 0, lines: int = 0, *, whole: bool = False) -> Page:
    return Page(
        marker="flagctl:plan:production",
        head=("### Title", "", "summary"),
        header=("a", "b"),
        rows=tuple((f"row {n}", "x" * 50) for n in range(rows)),
        noun="flags",
        folded=(Folded(title="More", lines=tuple(f"- line {n} é" for n in range(lines)), whole=whole),),
        command="flagctl plan production",
    )


def test_a_short_page_is_shown_whole() -> None:
    text = page(2, 2).render(5_000)
    assert text.startswith("<!-- flagctl:plan:production -->\n### Title\n")
    assert text.count("| row") == 2
    assert text.count("- line") == 2
    assert "Shortened" not in text


@pytest.mark.parametrize("limit", [1_000, 2_000, 10_000, 65_536])
@pytest.mark.parametrize(("rows", "lines"), [(0, 10_000), (10_000, 0), (5_000, 5_000), (50, 10_000)])
def test_a_long_page_keeps_its_limit_and_says_what_is_missing(limit: int, rows: int, lines: int) -> None:
    text = page(rows, lines).render(limit)
    assert limit / 3 < size(text) <= limit
    assert "_Shortened: " in text
    assert text.endswith("<code>flagctl plan production</code>_")
    assert text.count("<details>") == text.count("</details>")


def test_rows_are_more_important_than_folded_parts() -> None:
    text = page(40, 400).render(4_000)
    assert text.count("| row") == 40
    assert 0 < text.count("- line") < 400
    assert re.search(r"_Shortened: \d+ of 400 lines left out", text)


def test_a_graph_is_shown_whole_or_not_at_all() -> None:
    text = page(0, 400, whole=True).render(2_000)
    assert "<details>" not in text
    assert "_Shortened: More left out" in text
