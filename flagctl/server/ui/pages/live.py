"""Environments, and what is live where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flagctl.ops.loading import check_environment
from flagctl.ops.rollback import history
from flagctl.ops.status import status
from flagctl.server.ui.live import force_off, lift, plan_for, publish_planned, roll_back, target_of
from flagctl.server.ui.pages.page import Page

if TYPE_CHECKING:
    from starlette.responses import Response

    from flagctl.server.ui.rendering import Ask


def environments(ask: Ask) -> Response:
    """Show all environments; what is live comes in parts, because a remote may be slow."""
    return ask.page("environments.html", environments=list(ask.desk.model().config.environments.values()))


def environment(ask: Ask) -> Response:
    """Show one environment."""
    model = ask.desk.model()
    name = check_environment(model, ask.path("env"))
    return ask.page(
        "environment.html",
        one=model.config.environments[name],
        flag=ask.query("flag"),
        done=None,
        keys=list(model.flags)[:2000],
    )


def live(ask: Ask) -> Response:
    """Show what is live, in short or with the kill list."""
    name = ask.path("env")
    target = target_of(ask, name)
    found = status(target, clock=ask.desk.clock, accepted=ask.desk.memory.accepted)
    return ask.page("part_status.html", found=found, name=name, full=ask.query("full") == "yes")


def published(ask: Ask) -> Response:
    """Show what was published, to go back to."""
    name = ask.path("env")
    entries = history(target_of(ask, name))
    return ask.page("part_published.html", entries=entries, name=name)


def plan(ask: Ask) -> Response:
    """Show what publishing would change."""
    name = ask.path("env")
    check_environment(ask.desk.model(), name)
    planned = plan_for(ask, name)
    one = ask.desk.model().config.environments[name]
    return ask.page("part_plan.html", planned=planned, result=planned.result, one=one, name=name)


def publish(ask: Ask) -> Response:
    """Publish what the plan showed."""
    result = publish_planned(ask, ask.path("env"))
    return _done(ask, f"Number {result.seq} is live in {result.environment}: {result.action}.", result.warnings)


def go_back(ask: Ask) -> Response:
    """Go back to an earlier publication."""
    result = roll_back(ask, ask.path("env"))
    return _done(ask, f"Number {result.seq} is live in {result.environment}: {result.action}.", result.warnings)


def kill(ask: Ask) -> Response:
    """Force a flag off."""
    result, change = force_off(ask, ask.path("env"))
    text = f"{result.flag} is forced off in {result.environment}, for everybody."
    commands: tuple[str, ...] = ()
    if change is not None and change.branch is not None:
        text += f" The branch {change.branch} makes it last."
        commands = (f"git push -u origin {change.branch}",)
    return _done(ask, text, result.warnings, commands)


def unkill(ask: Ask) -> Response:
    """Lift a kill."""
    result = lift(ask, ask.path("env"))
    return _done(ask, f"{result.flag} answers in {result.environment} as it is published.", result.warnings)


def _done(ask: Ask, text: str, warnings: tuple[str, ...], commands: tuple[str, ...] = ()) -> Response:
    model = ask.desk.model()
    return ask.page(
        "environment.html",
        one=model.config.environments[ask.path("env")],
        flag="",
        done={"text": text, "warnings": warnings, "commands": commands},
        keys=list(model.flags)[:2000],
    )


ROUTES: Final = (
    Page("GET", "/environments", environments),
    Page("GET", "/environments/{env}", environment),
    Page("GET", "/environments/{env}/live", live),
    Page("GET", "/environments/{env}/published", published),
    Page("GET", "/environments/{env}/plan", plan),
    Page("POST", "/environments/{env}/publish", publish, changes=True),
    Page("POST", "/environments/{env}/rollback", go_back, changes=True),
    Page("POST", "/environments/{env}/kill", kill, changes=True),
    Page("POST", "/environments/{env}/unkill", unkill, changes=True),
)
