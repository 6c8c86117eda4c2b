"""Two people who edit the same file."""

from __future__ import annotations

import html
import re
import threading

from hypothesis import given
from hypothesis import strategies as st

from flagctl.server.ui.merge import merge
from tests.scale import scaled
from tests.simulators.ui_server import Visitor, run, showing
from tests.unit.server.ui.editing import PATH, base_text_in, hidden, on_branch, sheet, text_in


def test_a_file_that_changed_meanwhile_is_not_overwritten_and_both_edits_are_put_together(visitor, shop):
    form = sheet(visitor)
    mine = form["text"].replace("default: off", "default: on", 1)
    theirs = form["text"] + "# Theirs.\n"
    (shop / PATH).write_text(theirs)
    run(shop, "git", "commit", "--quiet", "--all", "-m", "Meanwhile")
    answer = visitor.post("/edit/save", form | {"text": mine})
    assert answer.status_code == 409
    assert "Changed meanwhile" in answer.text
    assert mine in html.unescape(answer.text)
    both = text_in(answer.text)
    assert both == mine + "# Theirs.\n"
    again = {name: hidden(answer.text, name) for name in ("path", "at", "base")}
    again |= {"text": both, "base_text": base_text_in(answer.text), "where": "other", "branch": "flags/test"}
    assert visitor.post("/edit/save", again).status_code == 200
    assert on_branch(shop, "flags/test") == both


def test_edits_of_the_same_lines_are_marked(visitor, shop):
    form = sheet(visitor)
    (shop / PATH).write_text(form["text"].replace("default: off", "default: on  # theirs", 1))
    run(shop, "git", "commit", "--quiet", "--all", "-m", "Meanwhile")
    answer = visitor.post("/edit/save", form | {"text": form["text"].replace("default: off", "default: on  # mine", 1)})
    both = text_in(answer.text)
    assert "<<<<<<< yours\n" in both
    assert "# mine" in both
    assert "# theirs" in both
    assert "1 place was changed by both" in answer.text


def test_a_branch_that_others_moved_shows_what_is_there(visitor, shop):
    form = sheet(visitor)
    one = form | {"text": form["text"] + "# One.\n"}
    other = form | {"text": form["text"].replace("default: off", "default: on", 1)}
    assert visitor.post("/edit/save", one).status_code == 200
    answer = visitor.post("/edit/save", other)
    assert answer.status_code == 409
    again = {name: hidden(answer.text, name) for name in ("path", "at", "base")}
    assert again["at"] == "flags/test"
    again |= {"text": text_in(answer.text), "where": "other", "branch": "flags/test"}
    assert visitor.post("/edit/save", again).status_code == 200
    saved = on_branch(shop, "flags/test")
    assert "default: on" in saved
    assert saved.endswith("# One.\n")


def test_a_file_that_is_not_committed_shows_both(visitor, shop):
    (shop / PATH).write_text((shop / PATH).read_text() + "# Not committed.\n")
    form = sheet(visitor)
    answer = visitor.post("/edit/save", form | {"text": form["text"].replace("default: off", "default: on", 1)})
    assert answer.status_code == 409
    again = {name: hidden(answer.text, name) for name in ("path", "at", "base")}
    both = text_in(answer.text)
    assert "default: on" in both
    assert "# Not committed." not in both
    again |= {"text": both, "where": "other", "branch": "flags/test"}
    assert visitor.post("/edit/save", again).status_code == 200, answer.text


def test_many_edits_at_once_lose_nothing(shop):
    count = scaled(48, 200)
    with showing(shop) as server:
        failures: list[str] = []

        def edit(numbers: range) -> None:
            visitor = Visitor.enter(server)
            for number in numbers:
                for _ in range(200):
                    at = "flags/many" if number or _ else ""
                    page = visitor.get("/edit", params={"path": PATH, "at": at})
                    if page.status_code != 200:  # nobody has made the branch yet
                        page = visitor.get("/edit", params={"path": PATH, "at": ""})
                    form = {
                        "path": PATH,
                        "at": hidden(page.text, "at"),
                        "base": hidden(page.text, "base"),
                        "base_text": "",
                        "text": text_in(page.text) + f"# edit {number}\n",
                        "where": "other",
                        "branch": "flags/many",
                        "message": f"Edit {number}",
                    }
                    answer = visitor.post("/edit/save", form)
                    if answer.status_code == 200:
                        break
                    if answer.status_code != 409:
                        failures.append(answer.text[-500:])
                        return
                else:
                    failures.append(f"edit {number} never got through")
            visitor.client.close()

        threads = [threading.Thread(target=edit, args=(range(start, count, 8),)) for start in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
    saved = on_branch(shop, "flags/many")
    assert sorted(map(int, re.findall(r"# edit (\d+)", saved))) == list(range(count))
    assert run(shop, "git", "rev-list", "--count", "main..flags/many").strip() == str(count)


@given(st.lists(st.sampled_from("abcd")), st.lists(st.sampled_from("abcd")))
def test_one_edit_alone_is_taken_over(base, mine):
    old, new = "".join(f"{line}\n" for line in base), "".join(f"{line}\n" for line in mine)
    assert merge(old, new, old).text == new
    assert merge(old, old, new).text == new
    assert merge(old, new, new).text == new


@given(st.lists(st.sampled_from("abcd")), st.lists(st.sampled_from("efgh")), st.lists(st.sampled_from("ijkl")))
def test_no_line_of_two_edits_is_lost(base, mine, theirs):
    old = "".join(f"{line}\n" for line in base)
    merged = merge(old, old + "".join(f"{line}\n" for line in mine), "".join(f"{line}\n" for line in theirs) + old)
    assert all(f"{line}\n" in merged.text for line in (*mine, *theirs))
