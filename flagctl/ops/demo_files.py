"""What the demo puts on disk: a shop's application, and the edits that its people make."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flagctl.errors import FlagctlError
from flagctl.resources import data_path

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION: Final = '''\
"""A shop that asks for two flags, and says so whenever an answer changes."""

import os
import sys
import threading
import time

import flagctl

USERS = {
    "ada": {"targeting_key": "user-1", "email": "ada@acme.com", "country": "DE", "plan": "pro", "platform": "web"},
    "ben": {"targeting_key": "user-2", "country": "DE", "plan": "free", "platform": "web"},
}


def answers(client):
    for name, user in USERS.items():
        checkout = client.evaluate("new-checkout-flow", user, False)
        shipping = client.get_value("free-shipping-threshold", user, 100)
        yield f"{name}: new-checkout-flow={checkout.value} ({checkout.reason}), free-shipping-threshold={shipping}"


def main(url, trust, endpoint_url=None):
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()  # ends with whoever started it
    last = []
    with flagctl.Client(
        url, environment="production", trust=trust, poll_interval=0.2, endpoint_url=endpoint_url
    ) as client:
        client.wait_until_ready(timeout=30)
        while True:
            now = list(answers(client))
            for line in now:
                if line not in last:
                    print(line, flush=True)
            last = now
            time.sleep(0.02)


main(*sys.argv[1:])
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """An edit as a person makes it: one text of a file becomes another, wherever it stands.

    Attributes:
        path: File, relative to the folder of the flags.
        old: What stands there.
        new: What shall stand there.
    """

    path: str
    old: str
    new: str

    def apply(self, flags: Path) -> None:
        """Change the file.

        Raises:
            FlagctlError: If the file does not have the text.
        """
        file = flags / self.path
        text = file.read_text(encoding="utf-8")
        if self.old not in text:
            raise FlagctlError(f"the example repository has changed: {self.path} lacks '{self.old}'")
        file.write_text(text.replace(self.old, self.new), encoding="utf-8")


LIVE_CHANGE: Final = (
    Replacement(path="checkout/free-shipping-threshold.yaml", old="\nvalue: 49\n", new="\nvalue: 29\n"),
    Replacement(path="checkout/free-shipping-threshold.test.yaml", old="value: 49", new="value: 29"),
)
MISTAKE: Final = Replacement(
    path="checkout/new-checkout-flow.yaml",
    old="      - {segment: beta-testers}\n      - {attribute: country,",
    new="      - {segment: beta-testers}\n      - {attribute: contry,",
)


def copy_example(target: Path, remote: str, endpoint_url: str | None) -> int:
    """Copy the example repository and the schemas, with another remote, and return the number of flags.

    Raises:
        FlagctlError: If this installation lacks them.
    """
    flags = target / "flags"
    shutil.copytree(data_path("flags"), flags, ignore=shutil.ignore_patterns(".*", "trust.json"))
    shutil.copytree(data_path("schemas"), target / "schemas")
    config = flags / "flagctl.yaml"
    parts = [f"url: {json.dumps(remote)}", "trust: trust.json"]
    if endpoint_url is not None:
        parts.insert(1, f"endpoint_url: {json.dumps(endpoint_url)}")
    replaced = re.sub(
        r"remote: \{[^}]*\}", lambda _: f"remote: {{{', '.join(parts)}}}", config.read_text(encoding="utf-8")
    )
    config.write_text(replaced, encoding="utf-8")
    (target / ".gitignore").write_text(".flagctl/\n*.key\n", encoding="utf-8")
    (target / "app.py").write_text(APPLICATION, encoding="utf-8")
    return sum("\nkind: flag\n" in path.read_text(encoding="utf-8") for path in flags.rglob("*.yaml"))
