"""What every browser test needs to look at a page."""

from __future__ import annotations

LOOKS = [("laptop", False), ("laptop", True), ("phone", False), ("phone", True)]
NAMES = ["laptop", "laptop-dark", "phone", "phone-dark"]


def settled(page):
    """Wait until nothing is asked of the server any more."""
    page.wait_for_load_state("networkidle")
    page.wait_for_function("() => !document.querySelector('.htmx-request')")


def check_accessibility(page, axe):
    """Fail if axe finds something serious."""
    page.evaluate(f"() => {{ {axe}; window.axe = axe; }}")
    found = page.evaluate("async () => (await window.axe.run()).violations")
    grave = [
        f"{one['id']} ({one['impact']}): {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"][:3]
    ]
    assert not grave, "\n".join(grave)


def excess(page):
    """Return by how many pixels a page is too wide."""
    return page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")


def step(page, selector):
    """Press a button of the editor and wait for the text it makes."""
    with page.expect_response("**/edit/step"):
        page.click(selector)
    settled(page)


def typed(page, selector, text, asks="**/edit/check"):
    """Fill in a field of the editor and wait for what it says then."""
    with page.expect_response(asks):
        page.fill(selector, text)
    settled(page)


def text_of(page):
    """Return the text in the editor."""
    return page.input_value("#text")


def save_on(page, branch):
    """Save on a branch."""
    page.fill("#branch", branch)
    page.click("#save")
    page.wait_for_selector("h1 >> text=Saved")
