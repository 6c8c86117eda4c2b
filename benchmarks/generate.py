"""Make a large, realistic flag repository from a seed.

    python benchmarks/generate.py /tmp/flags --flags 10000 --git --commits 20

The same seed gives the same files, whatever the machine and the number of commits. The mix: 40 % plain switches, 15 %
percentages, 15 % rules with one to eight conditions, 10 % rollouts, 5 % each of numbers, JSON and prerequisites, 3 %
experiments, 2 % ramps; a third of all but the plain ones say something else in production. Everything in it is valid.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

AREAS = {
    "accounts": ["login", "profile", "password-reset", "passkeys", "guest"],
    "ads": ["slots", "bidding", "frequency-cap", "sponsored"],
    "catalog": ["product-page", "stock-badge", "reviews", "variants", "bundles"],
    "checkout": ["basket", "one-page", "vouchers", "address-form", "express-pay"],
    "growth": ["referral", "newsletter", "onboarding", "winback"],
    "mobile": ["push", "offline-mode", "deep-links", "widgets"],
    "payments": ["cards", "wallets", "invoices", "fraud-check", "retries"],
    "platform": ["cache", "rate-limit", "queue", "tracing", "database"],
    "search": ["ranking", "suggestions", "facets", "synonyms", "vector-index"],
    "shipping": ["tracking", "carriers", "returns", "slots"],
    "support": ["chat", "help-center", "tickets"],
}
VERBS = ["new", "fast", "async", "legacy", "simplified", "prefetch", "batched", "smart", "strict", "parallel"]
COUNTRIES = ["DE", "AT", "CH", "FR", "NL", "BE", "IT", "ES", "PL", "SE", "GB", "US", "CA", "JP"]
PLANS = ["free", "pro", "enterprise"]
PLATFORMS = ["web", "ios", "android"]
SHAPES = {
    "switch": 40, "percentage": 15, "rules": 15, "rollout": 10, "number": 5, "json": 5, "prerequisite": 5,
    "experiment": 3, "ramp": 2,
}  # fmt: skip

CONFIG = f"""\
version: 1
project: generated-shop
environments:
  development: {{}}
  staging: {{}}
  production: {{protected: true}}
remote: {{url: file:///var/lib/flagctl/remote}}
context:
  additional: deny
  attributes:
    targeting_key: {{type: string, required: true}}
    account_id: {{type: string}}
    email: {{type: string, pii: true}}
    country: {{type: string, enum: [{", ".join(COUNTRIES)}], required: true}}
    plan: {{type: string, enum: [{", ".join(PLANS)}], required: true}}
    platform: {{type: string, enum: [{", ".join(PLATFORMS)}], required: true}}
    app_version: {{type: semver}}
    seats: {{type: number}}
    order_count: {{type: number, required: true}}
    signed_up_at: {{type: datetime}}
    groups: {{type: list, required: true}}
    ip: {{type: ip}}
    device.os: {{type: string, required: true}}
    beta: {{type: boolean}}
"""


@dataclass(frozen=True)
class Options:
    """What to generate: number of flags, seed, and how often the files were edited since."""

    flags: int = 10_000
    seed: int = 1
    edits: int = 0


class Generator:
    """Writes the YAML of one repository; every flag draws from a source of its own."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.segments = [f"segment-{number:03}" for number in range(5 + options.flags // 200)]
        self.layers = [f"layer-{number:02}" for number in range(1 + options.flags // 2000)]
        self.layer_used = dict.fromkeys(self.layers, 0)
        self.switches: list[str] = []
        self.files: dict[str, str] = {"flagctl.yaml": CONFIG}

    def generate(self) -> dict[str, str]:
        """Return the text of every file by its path."""
        for number, key in enumerate(self.segments):
            self.files[f"segments/{key}.yaml"] = self.segment(key, number)
        for key in self.layers:
            self.files[f"layers/{key}.yaml"] = (
                f"kind: layer\nkey: {key}\nowner: team-growth\ndescription: Shared screens.\n"
            )
        shapes, weights = list(SHAPES), list(SHAPES.values())
        for number in range(self.options.flags):
            random = Random(f"{self.options.seed}/{number}")
            team = random.choice(sorted(AREAS))
            key = f"{random.choice(VERBS)}-{random.choice(AREAS[team])}-{number:05}"
            shape = random.choices(shapes, weights)[0]
            if shape == "prerequisite" and not self.switches:
                shape = "switch"
            self.files[f"{team}/{key}.yaml"] = self.flag(random, key, team, shape)
            if shape == "switch":
                self.switches.append(key)
        return self.files

    def segment(self, key: str, number: int) -> str:
        """Return a segment; later ones may use earlier ones."""
        random = Random(f"{self.options.seed}/{key}")
        lines = ["kind: segment", f"key: {key}", "owner: team-platform", f"description: Group {number} of customers."]
        if random.random() < 0.4:
            units = ", ".join(f"user-{unit}" for unit in sorted(random.sample(range(1_000_000), random.randint(3, 40))))
            lines.append(f"include: [{units}]")
        lines.append("when:")
        lines += [f"  - {condition}" for condition in self.conditions(random, random.randint(1, 3), segments=number)]
        return "\n".join(lines) + "\n"

    def flag(self, random: Random, key: str, team: str, shape: str) -> str:
        """Return a flag of a shape."""
        lines = ["kind: flag", f"key: {key}", f"name: {key.rsplit('-', 1)[0].replace('-', ' ').capitalize()}"]
        if random.random() < 0.7:
            lines += ["description: >-", f"  {random.choice(VERBS).capitalize()} handling of this area; see the runbook of",
                      f"  team {team} before changing anything in production."]  # fmt: skip
        lines += [
            f"owner: team-{team}",
            f"tags: [{team}, {random.choice(['release', 'ops', 'permission', 'experiment'])}]",
        ]
        if random.random() < 0.3:
            lines.append(
                f"lifecycle: {{temporary: true, expires: {random.randint(2097, 2099)}-{random.randint(1, 12):02}-01}}"
            )
        body = getattr(self, f"_{shape}")(random, key)
        lines += body
        if shape != "switch" and random.random() < 0.33:
            lines += self.override(random, shape, body)
        return "\n".join(lines) + "\n"

    def override(self, random: Random, shape: str, body: list[str]) -> list[str]:
        """Return what is different in production, or nothing."""
        lines = ["environments:", "  production:"]
        if shape in {"percentage", "ramp"}:
            return [
                *lines,
                *self.indented(self.ramp_rule(random, f"{random.randint(1, 400) / 8:g}", "production-ramp")),
            ]
        if random.random() < 0.5 or not any(line.startswith("rules:") for line in body):
            return [*lines, "    enabled: false"]
        return [*lines, "    rules: []"]

    @staticmethod
    def indented(lines: list[str]) -> list[str]:
        """Return lines four columns further in."""
        return [f"    {line}" for line in lines]

    # --- shapes: one method each, found by name ---

    def _switch(self, random: Random, _key: str) -> list[str]:
        return ["type: boolean", f"default: {random.choice(['on', 'off'])}"]

    def _percentage(self, random: Random, _key: str) -> list[str]:
        return [
            "type: boolean",
            "default: off",
            *self.ramp_rule(random, str(random.choice([1, 5, 10, 25, 50, 99.5])), "ramp"),
        ]

    def ramp_rule(self, random: Random, percentage: str, rule_id: str) -> list[str]:
        """Return a list of one rule that serves a share of those who fit."""
        lines = ["rules:", f"  - id: {rule_id}"]
        if random.random() < 0.5:
            lines.append("    when:")
            lines += [f"      - {condition}" for condition in self.conditions(random, random.randint(1, 2))]
        return [*lines, "    serve: on", f"    percentage: {percentage}"]

    def _ramp(self, random: Random, _key: str) -> list[str]:
        month = random.randint(1, 9)
        if random.random() < 0.5:
            ramp = (
                f"{{linear: {{from: 2027-0{month}-01T00:00:00Z, to: 2027-0{month}-08T00:00:00Z, start: 0, end: 100}}}}"
            )
        else:
            steps = ", ".join(f"{{from: 2027-0{month}-0{day}T09:00:00Z, percent: {day * 10}}}" for day in (1, 2, 5))
            ramp = f"{{steps: [{steps}]}}"
        return ["type: boolean", "default: off", *self.ramp_rule(random, ramp, "scheduled-ramp")]

    def _rules(self, random: Random, _key: str) -> list[str]:
        lines = ["type: boolean", "default: off"]
        if random.random() < 0.3:
            units = random.sample(range(100_000), random.randint(1, 12))
            lines += ["targets:", f"  on: [{', '.join(f'user-{unit}' for unit in units)}]"]
        return [*lines, "rules:", *self.rule_list(random, random.randint(1, 5), lambda _: "serve: on")]

    def rule_list(self, random: Random, count: int, outcome: Callable[[int], str]) -> list[str]:
        """Return rules with one to eight conditions each; the first one differs, so that no rule covers another."""
        tell = random.choice(
            [
                [
                    f"{{attribute: country, operator: equals, value: {name}}}"
                    for name in random.sample(COUNTRIES, count)
                ],
                [
                    f"{{attribute: groups, operator: contains, value: group-{n}}}"
                    for n in random.sample(range(50), count)
                ],
                [
                    f"{{attribute: account_id, operator: in, value: [A-{n}, A-{n + 1}]}}"
                    for n in range(9, 9 + 2 * count, 2)
                ],
                [f'{{attribute: email, operator: ends_with, value: "@shop{n}.example"}}' for n in range(count)],
            ]
        )
        attribute = tell[0].split(",")[0]
        lines = []
        for number in range(count):
            others = self.conditions(random, random.choice([1, 1, 2, 2, 3, 4, 6, 8]))[1:]
            conditions = [tell[number], *(condition for condition in others if attribute not in condition)]
            lines += [f"  - id: rule-{number + 1}", "    when:"]
            lines += [f"      - {condition}" for condition in conditions]
            lines.append(f"    {outcome(number)}")
        return lines

    def _rollout(self, random: Random, key: str) -> list[str]:
        count = random.randint(2, 5)
        names = ["classic", "compact", "wide", "tiles", "list"][:count]
        variants = ", ".join(f"{name}: {name}-v{random.randint(1, 4)}" for name in names)
        shares = [100 // count] * count
        shares[0] += 100 - sum(shares)
        rollout = ", ".join(f"{name}: {share}" for name, share in zip(names, shares, strict=True))
        lines = ["type: string", f"variants: {{{variants}}}"]
        if random.random() < 0.5:
            return [*lines, f"default: {{rollout: {{{rollout}}}}}"]
        conditions = [f"      - {condition}" for condition in self.conditions(random, random.randint(1, 3))]
        rule = [
            "rules:",
            "  - id: split",
            "    when:",
            *conditions,
            f"    rollout: {{{rollout}}}",
            f"    salt: {key}/split",
        ]
        return [*lines, "default: classic", *rule]

    def _number(self, random: Random, _key: str) -> list[str]:
        base = random.choice([10, 50, 100, 250, 1000])
        rules = self.rule_list(random, random.randint(1, 3), lambda number: f"value: {base * (number + 2)}")
        return ["type: number", f"value: {base}", "rules:", *rules]

    def _json(self, random: Random, _key: str) -> list[str]:
        lines = ["type: json", "variants:"]
        for name in ("small", "large"):
            lines += [
                f"  {name}:",
                f"    retries: {random.randint(1, 9)}",
                f"    timeout_ms: {random.randint(1, 50) * 100}",
                f"    hosts: [a{random.randint(1, 9)}.internal, b{random.randint(1, 9)}.internal]",
                f"    limits: {{burst: {random.randint(10, 99)}, ratio: {random.random():.3f}, label: {name}}}",
            ]
        return [*lines, "default: small", "rules:", *self.rule_list(random, 1, lambda _: "serve: large")]

    def _prerequisite(self, random: Random, _key: str) -> list[str]:
        needed = random.choice(self.switches)
        lines = ["type: boolean", "default: on", "prerequisites:", f"  - {{flag: {needed}, variants: [on]}}"]
        return [*lines, "rules:", *self.rule_list(random, random.randint(1, 2), lambda _: "serve: off")]

    def _experiment(self, random: Random, key: str) -> list[str]:
        name = f"{key}-test"
        lines = ["kind: experiment", f"key: {name}", f"flag: {key}", "owner: team-growth",
                 "hypothesis: The variant lifts orders per session.", "status: running",
                 "started_at: 2026-11-01T09:00:00Z", "variants: {control: 50, treatment: 50}", "control: control"]  # fmt: skip
        layer = random.choice(self.layers)
        used = self.layer_used[layer]
        if random.random() < 0.4 and used + 10_000 <= 100_000:
            self.layer_used[layer] += 10_000
            lines += [f"layer: {layer}", f"slots: [[{used}, {used + 10_000}]]"]
        else:
            lines.append(f"traffic: {random.choice([5, 10, 20, 50])}")
        lines += ["metrics:", "  primary: {event: order, kind: conversion}"]
        self.files[f"experiments/{name}.yaml"] = "\n".join(lines) + "\n"
        conditions = [f"      - {condition}" for condition in self.conditions(random, random.randint(1, 2))]
        rule = ["rules:", "  - id: test", "    when:", *conditions, f"    experiment: {name}"]
        return ["type: string", "variants: {control: old, treatment: new}", "default: control", *rule]

    # --- conditions ---

    def conditions(self, random: Random, count: int, segments: int | None = None) -> list[str]:
        """Return conditions on different attributes in flow style, so that none contradicts another."""
        known = self.segments if segments is None else self.segments[:segments]
        countries = ", ".join(sorted(random.sample(COUNTRIES, random.randint(1, 6))))
        pool = [
            f"{{attribute: country, operator: {random.choice(['in', 'not_in'])}, value: [{countries}]}}",
            f"{{attribute: plan, operator: equals, value: {random.choice(PLANS)}}}",
            f"{{attribute: platform, operator: in, value: [{', '.join(random.sample(PLATFORMS, 2))}]}}",
            f'{{attribute: email, operator: ends_with, value: ["@example.com", "@example.{random.choice(["org", "net"])}"]}}',
            f'{{attribute: app_version, operator: semver_greater_or_equal, value: "{random.randint(1, 9)}.{random.randint(0, 20)}.0"}}',
            f"{{attribute: seats, operator: greater_than, value: {random.randint(1, 500)}}}",
            f"{{attribute: order_count, operator: {random.choice(['less_than', 'greater_or_equal'])}, value: {random.randint(1, 50)}}}",
            f"{{attribute: signed_up_at, operator: after, value: 202{random.randint(0, 6)}-0{random.randint(1, 9)}-01T00:00:00Z}}",
            f"{{attribute: groups, operator: contains_any, value: [vip, beta-{random.randint(1, 30)}]}}",
            f"{{attribute: ip, operator: in_network, value: 10.{random.randint(0, 255)}.0.0/16}}",
            f"{{attribute: device.os, operator: equals, value: {random.choice(['ios', 'android'])}, ignore_case: true}}",
            "{attribute: beta, operator: equals, value: true}",
            f'{{attribute: account_id, operator: matches, value: "^A-{random.randint(1, 9)}[0-9]{{3}}$"}}',
            "{any: [{attribute: email, operator: exists}, {attribute: account_id, operator: exists}]}",
        ]
        if known:
            pool += [f"{{segment: {random.choice(known)}}}", f"{{not: {{segment: {random.choice(known)}}}}}"]
            return random.sample([*pool[:-2], pool[-random.randint(1, 2)]], count)
        return random.sample(pool, count)


def generate(options: Options) -> dict[str, str]:
    """Return the text of every file of a repository by its path."""
    return Generator(options).generate()


def edit(files: dict[str, str], random: Random) -> dict[str, str]:
    """Return some files with changes as people make them: other percentages, switches turned, words."""
    changed = {}
    flags = [path for path, text in files.items() if text.startswith("kind: flag")]
    for path in random.sample(flags, min(len(flags), random.randint(1, 5))):
        text = files[path]
        if re.search(r"^    percentage: [0-9.]+$", text, re.MULTILINE):
            share = f"    percentage: {random.randint(1, 100)}"
            text = re.sub(r"^    percentage: [0-9.]+$", share, text, count=1, flags=re.MULTILINE)
        elif "type: boolean\ndefault: off" in text and "prerequisites" not in text and "rules:" not in text:
            text = text.replace("type: boolean\ndefault: off", "type: boolean\ndefault: on")
        else:
            text = re.sub(r"^name: .*$", lambda match: f"{match[0]} again", text, count=1, flags=re.MULTILINE)
        changed[path] = text
    return changed


def write(root: Path, files: dict[str, str]) -> None:
    """Write files below a folder."""
    for folder in {os.path.dirname(path) for path in files}:  # noqa: PTH120  as text: 10 000 paths
        (root / folder).mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        with open(f"{root}/{path}", "w", encoding="utf-8", newline="\n") as file:  # noqa: PTH123  twice as fast
            file.write(text)


def commit_history(root: Path, files: dict[str, str], commits: int, seed: int) -> None:
    """Make a git repository with one commit of everything and `commits` small ones after it, one every hour."""
    when = 1_790_000_000

    def git(*arguments: str) -> None:
        date = f"{when} +0000"
        environment = {**os.environ, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, "GIT_CONFIG_GLOBAL": os.devnull,
                       "GIT_CONFIG_NOSYSTEM": "1"}  # fmt: skip
        identity = ("-c", "user.name=generator", "-c", "user.email=generator@example.com", "-c", "gc.auto=0")
        subprocess.run(
            ["git", "-C", str(root), *identity, *arguments], check=True, env=environment, stdout=subprocess.DEVNULL
        )

    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-q", "-m", "Add the flags")
    random = Random(f"{seed}/edits")
    for number in range(commits):
        when += 3600
        changed = edit(files, random)
        files |= changed
        write(root, changed)
        git("commit", "-q", "-a", "-m", f"Change {len(changed)} flags ({number + 1})")


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a large, realistic flag repository.")
    parser.add_argument("folder", type=Path, help="an empty or missing folder")
    parser.add_argument("--flags", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--git", action="store_true", help="make it a git repository")
    parser.add_argument("--commits", type=int, default=0, help="small commits after the first; implies --git")
    arguments = parser.parse_args()
    if arguments.folder.exists() and any(arguments.folder.iterdir()):
        sys.exit(f"{arguments.folder} is not empty")
    files = generate(Options(flags=arguments.flags, seed=arguments.seed))
    write(arguments.folder, files)
    if arguments.git or arguments.commits:
        commit_history(arguments.folder, files, arguments.commits, arguments.seed)
    print(f"{len(files)} files, {sum(map(len, files.values())):,} bytes, in {arguments.folder}")


if __name__ == "__main__":
    main()
