"""What the tests of the editor read from its pages and send back."""

from __future__ import annotations

import html
import re

from tests.simulators.ui_server import Visitor, run

PATH = "checkout/gift-wrapping.yaml"


def text_in(page: str) -> str:
    found = re.search(r'<textarea id="text".*?>\n(.*?)</textarea>', page, re.DOTALL)
    assert found is not None, page[-1500:]
    return html.unescape(found[1])


def hidden(page: str, name: str) -> str:
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    assert found is not None, name
    return html.unescape(found[1])


def base_text_in(page: str) -> str:
    found = re.search(r'<textarea name="base_text".*?>\n(.*?)</textarea>', page, re.DOTALL)
    return html.unescape(found[1])


def sheet(visitor: Visitor, path: str = PATH, at: str = "") -> dict[str, str]:
    """Return the form of the editor."""
    page = visitor.get("/edit", params={"path": path, "at": at}).text
    return {
        "path": path,
        "text": text_in(page),
        "at": hidden(page, "at"),
        "base": hidden(page, "base"),
        "base_text": base_text_in(page),
        "where": "other",
        "branch": "flags/test",
    }


def on_branch(shop, branch: str, path: str = PATH) -> str:
    return run(shop, "git", "show", f"{branch}:flags/{path}")
