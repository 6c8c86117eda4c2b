"""Differences and plans as Markdown: a line that says it all, a table of flags, and the rest folded."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING

from flagctl.report.diff import describe_group, where
from flagctl.report.markdown import COMMENT_LIMIT, Folded, Page, md, md_code, mermaid_text
from flagctl.report.population import render_measured
from flagctl.report.style import PLAIN
from flagctl.report.values import count
from flagctl.review.risk import Risk, rate, worst

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.ops.diff import DiffResult
    from flagctl.ops.measure import Measured
    from flagctl.ops.plan import PlanResult
    from flagctl.review.changes import Change, RepositoryDiff
    from flagctl.review.impact import GroupImpact
    from flagctl.review.risk import RatedFlag

_LIGHTS = {Risk.NONE: "⚪", Risk.LOW: "🟢", Risk.MEDIUM: "🟡", Risk.HIGH: "🔴"}
_MOST_MESSAGES = 4
_MOST_EDGES = 80
_NEGLIGIBLE = 5e-6


class _Review:
    """What both reports have in common.

    Args:
        diff: The difference.
        impacts: By flag and environment.
        risks: Of the flags, gravest first.
        environments: All that are looked at.
        edges: Who looks at whom directly, among what changed and what it reaches.
    """

    def __init__(
        self,
        diff: RepositoryDiff,
        impacts: Mapping[str, Mapping[str, tuple[GroupImpact, ...] | None]],
        risks: tuple[RatedFlag, ...],
        environments: tuple[str, ...],
        edges: tuple[tuple[str, str], ...],
    ) -> None:
        self.diff = diff
        self.impacts = impacts
        self.risks = {flag.key: flag for flag in risks}
        self.environments = environments
        self.edges = edges
        self.worst = worst(risks)
        self.documents: dict[tuple[str, str], list[Change]] = {}
        for change in diff.changes:
            self.documents.setdefault((change.kind, change.key), []).append(change)
        self.reached = {key: causes for key, causes in diff.reached.items() if ("flag", key) not in self.documents}

    def summary(self) -> str:
        """Return how much changes, in one line."""
        others = sum(kind != "flag" for kind, _ in self.documents)
        parts = [
            f"**{text}**"
            for number, text in (
                (len(self.diff.changed), f"{count(len(self.diff.changed), 'flag')} changed"),
                (len(self.diff.added), f"{len(self.diff.added)} added"),
                (len(self.diff.removed), f"{len(self.diff.removed)} removed"),
                (others, count(others, "other document")),
                (len(self.reached), f"{count(len(self.reached), 'more flag')} reached"),
            )
            if number
        ]
        if not parts:
            return "⚪ **No answer changes**"
        most = self.most_switching()
        if most > _NEGLIGIBLE:
            parts.append(f"up to **{_percent(most)}** of the units of a rule switch")
        return f"{_LIGHTS[self.worst]} {', '.join(parts)} · risk **{self.worst.value}**"

    def most_switching(self) -> float:
        """Return the largest share of a group's units that changes variant, as a fraction."""
        groups = (g for by in self.impacts.values() for found in by.values() for g in found or ())
        return max((group.switching for group in groups), default=0.0)

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Return a row for each document, the riskiest flags first, then what is only reached."""
        flags = [key for kind, key in self.documents if kind == "flag"]
        flags.sort(key=lambda key: (-self.risk(key).rank, key))
        rows = [self.row("flag", key) for key in flags]
        rows += [self.row(kind, key) for kind, key in self.documents if kind != "flag"]
        for key, causes in self.reached.items():
            why = f"depends on {', '.join(map(md_code, causes))}"
            rows.append((_LIGHTS[self.risk(key)], f"↳ {md_code(key)}", why, self.who(key), self.risk(key).value))
        return tuple(rows)

    def row(self, kind: str, key: str) -> tuple[str, ...]:
        """Return the row of one document."""
        changes = self.documents[kind, key]
        said = [md(change.message + where(change.environments, self.environments)) for change in changes]
        if len(said) > _MOST_MESSAGES:
            said = [*said[: _MOST_MESSAGES - 1], f"… and {len(said) - _MOST_MESSAGES + 1} more changes"]
        if kind != "flag":
            return ("", f"{kind} {md_code(key)}", "<br>".join(said), "", "")
        sign = "➕ " if key in self.diff.added else "➖ " if key in self.diff.removed else ""  # noqa: RUF001  the sign for new
        risk = self.risk(key)
        return (_LIGHTS[risk], f"{sign}{md_code(key)}", "<br>".join(said), self.who(key), risk.value)

    def risk(self, key: str) -> Risk:
        """Return a flag's risk."""
        return self.risks[key].risk if key in self.risks else Risk.NONE

    def who(self, key: str) -> str:
        """Return for whom a flag changes, as far as arithmetic tells."""
        merged: dict[str, list[str]] = {}
        for environment, groups in self.impacts.get(key, {}).items():
            for text in ["depends on the conditions"] if groups is None else map(describe_group, groups):
                if text:
                    merged.setdefault(text, []).append(environment)
        return "<br>".join(md(text + where(names, self.environments)) for text, names in merged.items())

    def folded(self) -> tuple[Folded, ...]:
        """Return the folded parts: the graph, the places, the reasons."""
        parts = []
        graph = self.graph()
        if graph:
            parts.append(Folded(title="What depends on it", lines=graph, whole=True))
        if self.documents:
            total = len(self.diff.changes)
            parts.append(Folded(title=f"{count(total, 'change')} by file and line", lines=self.places(), noun="lines"))
        reasons = tuple(
            f"- {_LIGHTS[flag.risk]} {md_code(flag.key)}: {md('; '.join(flag.reasons))}"
            for flag in self.risks.values()
            if flag.risk.rank > Risk.LOW.rank
        )
        if reasons:
            parts.append(Folded(title="Why it is rated so", lines=reasons, noun="reasons"))
        return tuple(parts)

    def places(self) -> tuple[str, ...]:
        """Return every change with the line it is written in."""
        lines = []
        for (kind, key), changes in self.documents.items():
            lines.append(f"- {'' if kind == 'flag' else kind + ' '}{md_code(key)}")
            for change in changes:
                place = change.after or change.before
                said = md(change.message + where(change.environments, self.environments))
                written = f" {md_code(place)}" if place else ""
                lines.append(f"  - {said} · {change.category.value}{written}")
        return tuple(lines)

    def graph(self) -> tuple[str, ...]:
        """Return a Mermaid graph from what changes to what looks at it; empty without dependencies."""
        if not self.edges:
            return ()
        if len(self.edges) > _MOST_EDGES:
            return (f"{len(self.edges)} dependencies are too many to draw: {md_code('flagctl graph KEY')}",)
        names = {node: f"n{i}" for i, node in enumerate(sorted({node for edge in self.edges for node in edge}))}
        lines = ["```mermaid", "flowchart LR"]
        for node, name in names.items():
            kind, _, key = node.partition(" ")
            label = mermaid_text(key if kind == "flag" else node)
            lines.append(f'  {name}["{label}"]' if kind == "flag" else f'  {name}(["{label}"])')
            if (kind, key) in self.documents:
                lines.append(f"  style {name} stroke-width:3px")
        lines += [f"  {names[needed]} --> {names[user]}" for needed, user in self.edges]
        return (*lines, "```")


def render_diff_markdown(result: DiffResult, limit: int = COMMENT_LIMIT) -> str:
    """Return a difference as Markdown in at most `limit` bytes."""
    merged = {
        key: None if None in by.values() else tuple(group for groups in by.values() for group in groups or ())
        for key, by in result.impacts.items()
    }
    review = _Review(result.diff, result.impacts, rate(result.diff, merged), result.environments, result.edges)
    head = ["### What changes for flags", "", review.summary(), "", f"{md(result.base)} → {md(result.head)}"]
    if result.incomplete:
        files = ", ".join(md_code(path) for _, path in result.incomplete[:10])
        head += ["", f"⚠️ Left out because of errors: {files}{' …' if len(result.incomplete) > 10 else ''}"]
    page = _page("flagctl:diff", head, review, "flagctl diff")
    if result.measured is not None:
        page = replace(page, folded=(_measured(result.measured), *page.folded))
    return page.render(limit)


def _measured(measured: Measured) -> Folded:
    """Return what was measured on a population, as the terminal has it: nothing in there is read as Markdown."""
    lines = [escape(line, quote=False) for line in render_measured(measured, PLAIN)[1:]]
    return Folded(title=lines[0], lines=("<pre>", *lines[1:], "</pre>"), whole=True)


def render_plan_markdown(result: PlanResult, limit: int = COMMENT_LIMIT) -> str:
    """Return a plan as Markdown in at most `limit` bytes; its first line is the same for every plan of the environment."""
    environment = result.environment
    impacts = {key: {environment: groups} for key, groups in result.impacts.items()}
    review = _Review(result.diff, impacts, result.risks, (environment,), result.edges)
    marker = f"flagctl:plan:{environment}"
    head = [f"### Flags in {md(environment)}", ""]
    base = _base(result)
    if not result.has_changes:
        head.append(f"⚪ **Nothing to publish**: {base} is this very bundle.")
        return Page(marker=marker, head=tuple(head)).render(limit)
    commit = f"commit {md_code(result.commit[:12])}" if result.commit else "no commit"
    head += [review.summary(), "", f"{base} → {commit}, bundle {md_code(result.bundle_sha256[:12])}"]
    return _page(marker, head, review, f"flagctl plan {environment}").render(limit)


def _base(result: PlanResult) -> str:
    if result.against is not None:
        return md(result.against)
    if result.base is None:
        return "nothing published yet"
    commit = f", commit {md_code(result.base.commit[:12])}" if result.base.commit else ""
    return f"live: number {result.base.seq}{commit}"


def _page(marker: str, head: Iterable[str], review: _Review, command: str) -> Page:
    return Page(
        marker=marker,
        head=tuple(head),
        header=("", "flag", "what changes", "for whom", "risk"),
        rows=review.rows(),
        noun="flags",
        folded=review.folded(),
        command=command,
    )


def _percent(share: float) -> str:
    return f"{round(share * 100, 3):g} %"
