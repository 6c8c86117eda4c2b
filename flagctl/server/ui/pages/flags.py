"""The list of flags, and one flag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.diagnostics import Severity
from flagctl.errors import UsageError
from flagctl.ops.code import read_code
from flagctl.ops.listing import describe_flag, summarize
from flagctl.ops.usage import UsageOptions
from flagctl.ops.usage import usage as count_usage
from flagctl.review.words import instant
from flagctl.server.ui.pages.page import Page
from flagctl.server.ui.pictures import graph_picture
from flagctl.server.ui.rollouts import cards
from flagctl.server.ui.search import STATES, Wanted

if TYPE_CHECKING:
    from starlette.responses import Response

    from flagctl.model import Flag, FlagState
    from flagctl.server.ui.rendering import Ask
    from flagctl.source import LoadedRepository

ROWS: Final = 50
_USAGE_DAYS: Final = 30
_MOST_PLACES: Final = 100
_FILTERS: Final = ("env", "tag", "owner", "type", "state")


def index(ask: Ask) -> Response:
    """Show the flags that fit; htmx asks for the rows alone."""
    loaded = ask.desk.loaded()
    model = ask.desk.model()
    wanted = Wanted(
        text=ask.query("q"),
        environment=ask.query("env") if ask.query("env") in model.config.environments else "",
        tag=ask.query("tag"),
        owner=ask.query("owner"),
        type=ask.query("type"),
        state=ask.query("state"),
    )
    problems = _problem_paths(loaded)
    found = ask.desk.index().find(wanted, today=instant(ask.desk.now_ms)[:10], problems=problems)
    number = int(ask.query("page")) if ask.query("page").isdecimal() and len(ask.query("page")) < 6 else 1
    start = (max(number, 1) - 1) * ROWS
    environments = tuple(model.config.environments)
    shown = (wanted.environment,) if wanted.environment else environments
    query = {"q": wanted.text, **{name: ask.query(name) for name in _FILTERS}}
    names: dict[str, Any] = {
        "rows": [summarize(flag, shown) for flag in found[start : start + ROWS]],
        "shown": shown,
        "environments": environments,
        "problems": problems,
        "total": len(model.flags),
        "count": len(found),
        "query": query,
        "more": ask.url("/", **query, page=number + 1) if start + ROWS < len(found) else None,
        "number": number,
    }
    if ask.is_fragment:
        answer = ask.page("part_rows.html" if number > 1 else "part_flags.html", **names)
        if number == 1:  # an address to send to somebody, without the filters that are not set
            answer.headers["HX-Push-Url"] = ask.url("/", **query)
        return answer
    flags = model.flags.values()
    return ask.page(
        "flags.html",
        tags=sorted({tag for flag in flags for tag in flag.tags}),
        owners=sorted({flag.owner for flag in flags if flag.owner}),
        states=STATES,
        broken=sorted({found.path for found in loaded.diagnostics if found.severity is Severity.ERROR}),
        **names,
    )


class Group(NamedTuple):
    """Environments in which a flag is the same.

    Attributes:
        names: Of the environments.
        state: What it is there.
    """

    names: tuple[str, ...]
    state: FlagState


def flag(ask: Ask) -> Response:
    """Show everything about a flag that is at hand at once; what takes time comes in parts of its own."""
    revision = ask.query("at")
    loaded = ask.desk.loaded(revision)
    model = ask.desk.model(revision)
    shown = describe_flag(loaded, ask.path("key"))
    graph = ask.desk.graph(shown.summary.flag.key, revision)
    found = shown.summary.flag
    environments = tuple(model.config.environments)
    return ask.page(
        "flag.html",
        shown=shown,
        flag=found,
        revision=revision,
        groups=_groups(found, environments),
        rollouts=cards(found, environments, ask.desk.now_ms),
        graph=graph_picture(graph, ask.url) if len(graph.nodes) > 1 else None,
        edges=graph.edges,
        findings=[one for one in loaded.diagnostics if one.path == found.path],
        experiments=[model.experiments[key] for key in shown.experiments],
        has_git=ask.desk.git() is not None,
        live_in=next((name for name, one in reversed(tuple(model.config.environments.items())) if one.remote), None),
        protected=[name for name, one in model.config.environments.items() if one.protected],
    )


def usage(ask: Ask) -> Response:
    """Show how often the flag answered what."""
    if ask.options.events is None:
        raise UsageError("nothing says where events were recorded", hint="start the UI with --events FOLDER")
    options = UsageOptions(
        root=ask.desk.root, events=ask.options.events, now_ms=ask.desk.now_ms, days=_USAGE_DAYS, keys=(ask.path("key"),)
    )
    return ask.page("part_usage.html", result=count_usage(options), days=_USAGE_DAYS)


def code(ask: Ask) -> Response:
    """Show where code of the same git repository names the flag."""
    if ask.desk.git() is None:
        raise UsageError("the flags are in no git repository, so there is no code to look through")
    shown = describe_flag(ask.desk.loaded(ask.query("at")), ask.path("key"))
    key = shown.summary.flag.key
    found = read_code(ask.desk.root, ask.desk.loaded(), keys=(key,), thorough=False)
    places = sorted(found.references, key=lambda one: (one.path, one.line, one.column))
    return ask.page("part_code.html", places=places[:_MOST_PLACES], count=len(places), files=found.files, key=key)


def _groups(found: Flag, environments: tuple[str, ...]) -> list[Group]:
    groups: list[Group] = []
    for name in environments:
        state = found.in_environment(name)
        for number, group in enumerate(groups):
            if group.state == state:
                groups[number] = group._replace(names=(*group.names, name))
                break
        else:
            groups.append(Group((name,), state))
    return groups


def _problem_paths(loaded: LoadedRepository) -> frozenset[str]:
    return frozenset(found.path for found in loaded.diagnostics)


ROUTES: Final = (
    Page("GET", "/", index),
    Page("GET", "/flags/{key}", flag),
    Page("GET", "/flags/{key}/usage", usage),
    Page("GET", "/flags/{key}/code", code),
)
