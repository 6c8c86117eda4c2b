"""Malformed YAML, made from valid files: mutations that know the grammar, and mutations of bytes."""

from __future__ import annotations

import random
import re

VALID = (
    b"""# yaml-language-server: $schema=../schemas/flag.schema.json
kind: flag
key: new-checkout-flow
name: "New checkout: flow"   # a comment
description: >
  One-page checkout
  for everybody # not a comment
owner: team-checkout
tags: [checkout, release]
type: boolean
lifecycle: {temporary: true, expires: 2027-03-01}
variants: {on: true, off: false}
enabled: true
off: off
default: {rollout: {on: 33.333, off: 66.667}, salt: s, bucket_by: account.id}
prerequisites: [{flag: payments-v2, variants: [on]}]
targets: {on: [user-1, 42], off: ['007']}
rules:
  - id: employees
    when:
      - {attribute: email, operator: ends_with, value: "@acme.com", ignore_case: true}
      - {segment: beta-testers}
      - any: [{attribute: country, operator: in, value: [DE, FR]}, {attribute: plan, operator: equals, value: pro}]
      - not: {segment: embargoed}
    serve: on
  - id: ramp
    serve: on
    percentage: {steps: [{from: 2026-12-01T09:00:00Z, percent: 5}, {from: 2026-12-02T09:00:00Z, percent: 25}]}
    schedule: {from: 2026-12-01T09:00:00Z}
    priority: 2
  - id: pinned
    rollout: {on: {buckets: [[0, 10000], [40000, 100000]]}, off: {buckets: [[10000, 40000]]}}
environments:
  production: {enabled: true, default: off, rules: []}
  staging:
    targets: {on: [user-3]}
""",
    b"""kind: flag
key: limits
type: json
value: {max: 5, names: [a, b], "odd key": null, nested: {deep: [1, [2, [3]]]}}
value_schema: {type: object}
rules:
- id: big
  when: [{attribute: [a.b, c], operator: greater_or_equal, value: 500}]
  value: {max: 5000}
environments: {production: {value: {max: 7}}}
""",
    "kind: segment\r\nkey: beta\r\nname: Tester 😀 äöü\r\ninclude: [a, b]\r\nexclude:\r\n- c\r\nwhen:\r\n- all: [{segment: x}, {attribute: a, operator: exists}]\r\n".encode(),
    b"""kind: experiment
key: ranking-test
flag: search
status: running
started_at: 2026-11-20T00:00:00Z
variants: {classic: 50, neural: 50}
layer: search
slots: [[0, 20000], [30000, 40000]]
metrics: {primary: {event: order, kind: conversion}, guardrails: [{event: error, kind: count, direction: decrease}]}
""",
    b"kind: layer\nkey: search\nname: Search\n",
    b"""version: 1
project: acme
required_version: ">=0.1"
environments: {development: , production: {protected: true, remote: {url: s3://a/b}}}
remote: {url: file:///tmp/x, trust: trust.json}
context: {attributes: {country: {type: string, enum: [DE, FR]}, device.os: {type: string}}, additional: deny}
exclude: [drafts/, "*.tmp.yaml"]
lint: {select: [REF], severity: {TGT101: warning}}
""",
    b"""kind: test
flag: new-checkout-flow
environments: [staging]
at: 2026-12-01T00:00:00Z
context: {plan: free}
cases:
  - name: employees see it
    context: {targeting_key: user-1}
    expect: {variant: on, value: true, reason: TARGETING_MATCH, rule: employees, error_code: null}
  - name: nobody else
    matrix: {country: [DE, FR], app_version: [1.0.0]}
    default: false
    expect: {variant: off}
""",
)

_TOKENS = (
    "*", "&", "!", "|", ">", "'", '"', "%", "@", "`", "{", "}", "[", "]", ",", ":", ": ", "#", " #", "-", "- ", "?", "? ",
    "---", "...", "\t", "\n", "\r", "  ", "&a ", "*a", "!!str ", "<<: ", "null", "~", "true", "on", "NaN", ".nan", ".inf", "1e999",
    "9007199254740993", "0x1F", "-0", "007", "1_000", "\x00", "\x07", "\ufeff", "\u2028", "\x85", "😀", "%YAML 1.1\n---\n",
    "{}", "[]", '""', "{a: b}", "[a, b]", '"\\q"', '"\\ud800"', '"\\0"', "a: b: c", "|\n  x\n", ">-\n", "[" * 70, "x" * 300,
)  # fmt: skip


def mutate(rng: random.Random) -> bytes:
    """Return one of the valid files with one to four mutations."""
    content = rng.choice(VALID)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        content = rng.choice((_mutate_text, _mutate_text, _mutate_values, _mutate_lines, _mutate_bytes))(rng, content)
    return content


def _mutate_text(rng: random.Random, content: bytes) -> bytes:
    text = content.decode(errors="surrogateescape")
    at = rng.randint(0, len(text))
    end = min(len(text), at + rng.choice((0, 0, 0, 1, 1, 2, 5, 20)))
    return (text[:at] + rng.choice(_TOKENS) + text[end:]).encode(errors="surrogateescape")


def _mutate_values(rng: random.Random, content: bytes) -> bytes:
    """Replace or swap whole words: most results parse, and break the schema or a conversion."""
    text = content.decode(errors="surrogateescape")
    words = list(re.finditer(r"[A-Za-z0-9_.@-]+", text))
    if not words:
        return content
    word = rng.choice(words)
    other = rng.choice((rng.choice(words).group(), rng.choice(_TOKENS), "", word.group()[:-1], word.group() + "s"))
    return (text[: word.start()] + other + text[word.end() :]).encode(errors="surrogateescape")


def _mutate_lines(rng: random.Random, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    at = rng.randrange(len(lines))
    match rng.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, rng.choice(lines))
        case 2:
            lines[at] = b" " * rng.randint(1, 3) + lines[at]
        case 3:
            lines[at] = lines[at].removeprefix(b" " * rng.randint(1, 2))
        case 4:
            lines[at] = b"\t" + lines[at]
        case _:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
    return b"".join(lines)


def _mutate_bytes(rng: random.Random, content: bytes) -> bytes:
    data = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)
    if rng.random() < 0.2:
        del data[rng.randint(0, len(data)) :]
    return bytes(data)
