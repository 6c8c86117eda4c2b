"""Text for terminals."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flagctl.report.style import Style, cell_width, one_line, plain, shorten, wrap
from flagctl.report.table import Column, render_fields, render_table

COLOR = Style(color=True)


def test_paint_does_nothing_without_colour() -> None:
    assert Style().paint("on", "red", "bold") == "on"
    assert COLOR.paint("on", "red", "bold") == "\x1b[31;1mon\x1b[0m"
    assert COLOR.paint("", "red") == ""


def test_control_and_direction_characters_become_visible() -> None:
    assert plain("a\x1b[2Jb\u202ec\x07\td\ud800") == "a\\x1b[2Jb\\u202ec\\x07    d\\ud800"
    assert plain("two\nlines") == "two\nlines"
    assert one_line("two\n lines") == "two lines"
    assert plain(7) == "7"


def test_width_counts_terminal_columns() -> None:
    assert cell_width("flag") == 4
    assert cell_width("旗帜") == 4
    assert cell_width("e\u0301") == 1
    assert cell_width(COLOR.paint("on", "red")) == 2


def test_shorten_ends_with_an_ellipsis() -> None:
    assert shorten("checkout", 20) == "checkout"
    assert shorten("checkout", 6) == "check…"
    assert cell_width(shorten("旗帜旗帜", 5)) <= 5


@given(st.text(max_size=200), st.integers(1, 60))
def test_shortened_text_always_fits(text: str, width: int) -> None:
    assert cell_width(shorten(one_line(text), width)) <= width


@given(st.lists(st.text(alphabet="ab 旗\n", max_size=12), max_size=12).map(" ".join), st.integers(12, 60))
def test_wrapping_keeps_all_words_and_the_width(text: str, width: int) -> None:
    wrapped = wrap(text, width)
    assert wrapped.split() == text.split()
    for line in wrapped.split("\n"):
        assert cell_width(line) <= width or " " not in line.strip()


def test_wrapping_indents_and_can_be_off() -> None:
    assert wrap("one two three", 9, indent="  ", first="> ") == "> one two\n  three"
    assert wrap("one two three", None, indent="  ", first="> ") == "> one two three"
    assert wrap("one\ntwo", 20, indent="  ", first="") == "one\n  two"


COLUMNS = (
    Column(title="KEY", paint=("bold",)),
    Column(title="OWNER", droppable=True),
    Column(title="ABOUT", flexible=True),
)
ROWS = [("new-checkout", "team-checkout", "The checkout on one page, with everything"), ("x", "", "")]


def test_a_table_without_a_terminal_is_complete() -> None:
    assert render_table(COLUMNS, ROWS, Style()).splitlines() == [
        "KEY           OWNER          ABOUT",
        "new-checkout  team-checkout  The checkout on one page, with everything",
        "x",
    ]


def test_a_narrow_table_leaves_out_columns_and_cuts_cells() -> None:
    assert render_table(COLUMNS, ROWS, Style(width=50)).splitlines()[1] == (
        "new-checkout  team-checkout  The checkout on one…"
    )
    assert render_table(COLUMNS, ROWS, Style(width=30)).splitlines()[:2] == [
        "KEY           ABOUT",
        "new-checkout  The checkout on…",
    ]


def test_the_last_column_may_wrap_and_numbers_are_right_aligned() -> None:
    columns = (Column(title="N", right=True), Column(title="TEXT", wraps=True))
    assert render_table(columns, [(1, "one two three four"), (10, "five")], Style(width=13)).splitlines() == [
        " N  TEXT",
        " 1  one two",
        "    three",
        "    four",
        "10  five",
    ]


@given(st.integers(20, 120))
def test_tables_fit_every_width_that_holds_their_keys(width: int) -> None:
    for line in render_table(COLUMNS, ROWS, Style(width=width, color=True)).splitlines():
        assert cell_width(line) <= width


def test_fields_are_aligned_and_missing_ones_left_out() -> None:
    assert render_fields([("a", 1), ("long", "x\ny"), ("none", None)], Style()) == "a     1\nlong  x y"


def test_every_column_that_wraps_goes_on_below_instead_of_being_cut():
    columns = [Column(title="KEY"), Column(title="VARIANTS", wraps=True), Column(title="REASONS", wraps=True)]
    rows = [("a", "classic 91 %, hybrid 5 %, neural 4 %", "DEFAULT 81 %, SPLIT 19 %"), ("b", "on", "-")]
    assert render_table(columns, rows, Style(width=36)).splitlines() == [
        "KEY  VARIANTS        REASONS",
        "a    classic 91 %,   DEFAULT 81 %,",
        "     hybrid 5 %,     SPLIT 19 %",
        "     neural 4 %",
        "b    on              -",
    ]
