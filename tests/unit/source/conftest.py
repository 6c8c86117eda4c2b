from __future__ import annotations

import pytest

from flagctl.source import load_tree

CONFIG = b"version: 1\nproject: acme\nenvironments: {staging: {}, production: {}}\n"


class Loader:
    """Loads one document beside a small configuration."""

    config = CONFIG

    def __call__(self, text, path="x.yaml", **others):
        content = text if isinstance(text, bytes) else text.encode()
        files = {"flagctl.yaml": CONFIG, path: content}
        return load_tree(files | {name.replace("__", "/") + ".yaml": body.encode() for name, body in others.items()})

    def findings(self, text, path="x.yaml"):
        return self(text, path).diagnostics

    def only(self, text, path="x.yaml"):
        findings = self.findings(text, path)
        assert len(findings) == 1, [(f.code, f.message) for f in findings]
        return findings[0]

    def flag(self, text):
        """Load `text` as the body of a boolean flag that must be right."""
        loaded = self("kind: flag\nkey: x\n" + ("" if "type:" in text else "type: boolean\n") + text)
        assert loaded.diagnostics == ()
        return loaded.repository.flags["x"]


@pytest.fixture
def load():
    return Loader()
