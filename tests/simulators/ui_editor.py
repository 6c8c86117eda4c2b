"""The editor of `flagctl ui` in a browser without scripts."""

from __future__ import annotations

import html
import json
import re


class Sheet:
    """An editor in a browser without scripts: the form's fields as they are on the page, to be changed and sent."""

    def __init__(self, visitor, path: str, environment: str = "") -> None:
        self.visitor = visitor
        self.read(visitor.get("/edit", params={"path": path}).text)
        if environment:
            self.form["env"] = [environment]
            self.press("look")

    @classmethod
    def of(cls, visitor, page: str) -> Sheet:
        """Return the editor that a page shows."""
        sheet = cls.__new__(cls)
        sheet.visitor = visitor
        sheet.read(page)
        return sheet

    def read(self, page: str) -> None:
        self.page = page
        inside = page[page.index('<form id="edit"') : page.index("</form>", page.index('<form id="edit"'))]
        form: dict[str, list[str]] = {}
        for tag in re.finditer(
            r"<input ([^>]*)>|<textarea ([^>]*)>\n(.*?)</textarea>|<select ([^>]*)>(.*?)</select>", inside, re.DOTALL
        ):
            attributes = tag[1] or tag[2] or tag[4] or ""
            name = re.search(r'name="([^"]*)"', attributes)
            if name is None:
                continue
            value = re.search(r'value="([^"]*)"', attributes)
            text = value[1] if value else ""
            if tag[2]:
                text = tag[3]
            elif tag[4]:
                options = re.findall(r"<option([^>]*)>(.*?)</option>", tag[5])
                chosen = next((one for one in options if "selected" in one[0]), options[0] if options else ("", ""))
                given = re.search(r'value="([^"]*)"', chosen[0])
                text = given[1] if given else chosen[1]
            if 'type="checkbox"' in attributes and "checked" not in attributes:
                continue
            form.setdefault(html.unescape(name[1]), []).append(html.unescape(text))
        self.form = {**form, "where": ["other"], "branch": ["flags/fields"]}

    @property
    def text(self) -> str:
        return self.form["text"][0]

    def send(self, address: str, **settings):
        return self.visitor.post(address, self.form, **settings)

    def press(self, op: str) -> None:
        answer = self.send("/edit/step") if not op else self.visitor.post("/edit/step", {**self.form, "op": op})
        assert answer.status_code == 200, answer.text
        self.read(answer.text)

    def type(self, name: str, *values: str) -> str:
        """Type into a field, and return what the page says then."""
        self.form[f"f:{name}"] = list(values)
        return html.unescape(self.send("/edit/check", headers={"hx-request": "true"}).text)


def came(answer: str) -> str | None:
    """Return the text that an answer brings."""
    found = re.search(r'<div id="came".*?<textarea aria-hidden="true">\n(.*?)</textarea>', answer, re.DOTALL)
    return found[1] if found else None


def marks(answer: str) -> dict[str, str]:
    found = re.search(r'data-marks="(.*?)" data-done', answer)
    assert found is not None
    return json.loads(found[1])


def typed(sheet: Sheet, name: str, values: tuple[str, ...]) -> str:
    """Type into a field, or into each of a group of weights."""
    if not name.startswith("weights:"):
        return sheet.type(name, *values)
    for value in values:
        variant, _, share = value.partition("=")
        sheet.form[f"f:{name}={variant}"] = [share]
    return html.unescape(sheet.send("/edit/check", headers={"hx-request": "true"}).text)
