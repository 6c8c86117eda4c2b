"""Pages of templates. Every text is escaped where it is put in; only our own SVG goes in as it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse

from flagctl.review import words
from flagctl.server.ui.condition_values import takes_list
from flagctl.server.ui.conditions import OPERATOR_NAMES, has_value, may_ignore_case
from flagctl.server.ui.growth import HOLDS
from flagctl.server.ui.options import User

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from flagctl.server.ui.desk import Desk
    from flagctl.server.ui.forms import Form
    from flagctl.server.ui.options import UiOptions

_HEADERS: Final = {"Referrer-Policy": "same-origin"}
"""With no referrer at all browsers hide the origin of forms, which says that they are ours."""
_TAKES: Final = SimpleNamespace(
    value=has_value,
    list=takes_list,
    case=may_ignore_case,
    operators=[(name, name.replace("_", " ")) for name in OPERATOR_NAMES],
    holds=lambda unsaid: [("", unsaid), *((name, name) for name in HOLDS)],
)
"""What operators go with, and what steps may wait for."""


def _make_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("flagctl.server.ui", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        value=show_value,
        json=lambda data: json.dumps(data, ensure_ascii=False),
        instant=words.instant,
        when=when,
        share=words.share,
        short=lambda text: str(text or "")[:7],
    )
    environment.globals.update(words=words, takes=_TAKES, pairs=lambda items: [(item, item) for item in items])
    return environment


def show_value(data: Any) -> str:
    """Return a value on one line, cut where it gets too long to look at."""
    text = words.value(data)
    return text if len(text) <= 160 else text[:157] + "…"


def when(milliseconds: int) -> str:
    """Return an instant to the minute, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M")


_environment = _make_environment()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request with everything that a page needs.

    Attributes:
        request: The request.
        desk: The repository.
        options: How the UI runs.
        user: Who asks.
        form: Fields of a change.
    """

    request: Request
    desk: Desk
    options: UiOptions
    user: User
    form: Form

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks for a part of a page."""
        headers = self.request.headers
        return headers.get("hx-request") == "true" and headers.get("hx-history-restore-request") != "true"

    def query(self, name: str) -> str:
        """Return a parameter of the address, empty if it is not there."""
        return str(self.request.query_params.get(name, ""))

    def field(self, name: str, default: str = "") -> str:
        """Return a field of the form."""
        return next(iter(self.form.get(name, ())), default)

    def path(self, name: str) -> str:
        """Return a part of the address' path."""
        return str(self.request.path_params[name])

    def url(self, path: str, /, **query: str | int | None) -> str:
        """Return an address of the UI; empty parameters are left out."""
        given = {name: value for name, value in query.items() if value not in {None, ""}}
        text = self.options.prefix + quote(path, safe="/")
        return text + (f"?{urlencode(given)}" if given else "")

    def page(self, template: str, status: int = 200, **names: Any) -> Response:
        """Return a page or a part of one."""
        return HTMLResponse(self.render(template, **names), status, dict(_HEADERS))

    def render(self, template: str, **names: Any) -> str:
        """Return a template's HTML."""
        return _environment.get_template(template).render(
            ask=self, url=self.url, user=self.user, options=self.options, here=self.request.url.path, **names
        )

    def go(self, path: str, /, **query: str | int | None) -> Response:
        """Return an answer that leads to another page."""
        address = self.url(path, **query)
        if self.is_fragment:
            return HTMLResponse("", 200, {"HX-Redirect": address})
        return RedirectResponse(address, 303)


def plain_page(template: str, options: UiOptions, status: int, names: Mapping[str, Any]) -> Response:
    """Return a page for somebody who is not let in."""

    def url(path: str, /, **_query: object) -> str:
        return options.prefix + path

    html = _environment.get_template(template).render(url=url, options=options, user=User(), here="", **names)
    return HTMLResponse(html, status, dict(_HEADERS))
