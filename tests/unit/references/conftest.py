"""Clients that serve what a clean-up keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flagctl.references import ReferenceSettings
from flagctl.references.cleanup.clean import Cleaned, clean
from flagctl.references.cleanup.marks import Kept
from flagctl.references.cleanup.sites import Found, spots_of
from flagctl.references.search import Search
from flagctl.testing import client_from

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl import Client

CONFIG = "version: 1\nproject: p\nenvironments: {e: {}}\n"
CHECKOUT = "kind: flag\nkey: new-checkout\nowner: o\ntype: boolean\ndefault: '{}'\n"
THEME = "kind: flag\nkey: theme\nowner: o\ntype: string\nvariants: {{a: light, b: dark}}\ndefault: {}\n"
LIMITS = (
    "kind: flag\nkey: limits\nowner: o\ntype: json\nvariants: {{a: {{max: 3, tags: [x]}}, b: {{max: 5, tags: [y]}}}}\n"
    "default: {}\n"
)
RATE = "kind: flag\nkey: rate\nowner: o\ntype: number\nvariants: {{a: 3, b: -2}}\ndefault: {}\n"
VALUES = {
    ("new-checkout", "on"): True,
    ("new-checkout", "off"): False,
    ("theme", "on"): "light",
    ("theme", "off"): "dark",
    ("rate", "on"): 3,
    ("rate", "off"): -2,
    ("limits", "on"): {"max": 3, "tags": ["x"]},
    ("limits", "off"): {"max": 5, "tags": ["y"]},
}


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Client]:
    """Return real clients: by `on` or `off`, one whose flags all serve their first or their second variant."""
    clients = {}
    for variant, other in (("on", "a"), ("off", "b")):
        folder = tmp_path_factory.mktemp(variant)
        (folder / "flagctl.yaml").write_text(CONFIG)
        (folder / "new-checkout.yaml").write_text(CHECKOUT.format(variant))
        (folder / "theme.yaml").write_text(THEME.format(other))
        (folder / "rate.yaml").write_text(RATE.format(other))
        (folder / "limits.yaml").write_text(LIMITS.format(other))
        clients[variant] = client_from(folder)
    return clients.__getitem__


def clean_text(text: str, key: str, variant: str) -> tuple[Cleaned, Found]:
    """Take a flag out of one file."""
    search = Search(frozenset({key}), frozenset({key}), ReferenceSettings())
    search.add("app.py", text.encode())
    search.finish()
    assert search.project is not None
    value = VALUES[key, variant]
    found = spots_of(search.project, "app.py", text, key, value)
    name = variant if key == "new-checkout" else {"on": "a", "off": "b"}[variant]
    return clean(text, Kept(key=key, variant=name, value=value), found.spots, found.names), found


@pytest.fixture(name="clean_text")
def _clean_text() -> Callable[[str, str, str], tuple[Cleaned, Found]]:
    return clean_text
