"""Small flag repositories for tests of rules, written as one text."""

from __future__ import annotations

import re

from flagctl.lint import LintOptions, LintResult, lint
from flagctl.source import load_tree

NOW_MS = 1_796_083_200_000  # 2026-12-01T00:00:00Z

CONFIG = """\
version: 1
project: acme-shop
environments:
  development: {}
  staging: {}
  production: {protected: true}
context:
  additional: deny
  attributes:
    targeting_key: {type: string}
    email: {type: string, pii: true}
    country: {type: string, enum: [DE, FR, US, JP]}
    plan: {type: string, enum: [free, pro, enterprise], required: true}
    seats: {type: number}
    app_version: {type: semver}
    signed_up_at: {type: datetime}
    groups: {type: list}
    ip: {type: ip}
    beta: {type: boolean}
    device.os: {type: string}
    claims: {type: object}
"""


def files_of(text: str) -> dict[str, bytes]:
    """Split a text at lines of three dashes into files.

    A file is called after its key, or what a first line `# file: NAME` says (which is cut off). There is a flagctl.yaml with
    three environments and a declared context unless one is given.
    """
    files = {"flagctl.yaml": CONFIG.encode()}
    for part in re.split(r"^---\n", text, flags=re.MULTILINE):
        named = re.match(r"# file: (\S+)\n", part)
        key = re.search(r"^key: *(\S+)", part, flags=re.MULTILINE)
        name = named[1] if named else f"{key[1]}.yaml"
        files[name] = (part[named.end() :] if named else part).encode()
    return files


def lint_files(files: dict[str, bytes], **options) -> LintResult:
    settings = {"now_ms": NOW_MS, "pedantic": True, **options}
    return lint(load_tree(files), LintOptions(**settings))


def lint_text(text: str, **options) -> LintResult:
    return lint_files(files_of(text), **options)


def place(diagnostic) -> str:
    span = diagnostic.span
    return f"{diagnostic.path}:{span.line}:{span.column}" if span else diagnostic.path


def shown(result: LintResult) -> list[str]:
    return [f"{place(d)} {d.code} {d.message}" for d in result.diagnostics]
