"""Commands that edit a flag's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flagctl.cli.edit_common import CopyDown, EditCommand, Env, Key, run
from flagctl.cli.session import joined

if TYPE_CHECKING:
    from flagctl.ops.edit_rules import At

COMMAND_CLASS = EditCommand

_RULE = Annotated[str, typer.Argument(metavar="RULE", help="Id of the rule.")]
_BEFORE = Annotated[str | None, typer.Option(metavar="RULE", help="In front of this rule.")]
_AFTER = Annotated[str | None, typer.Option(metavar="RULE", help="Behind this rule.")]
_WHICH = Annotated[str | None, typer.Option("--rule", metavar="RULE", help="Id, if it is not clear.")]


def add_rule(
    context: typer.Context,
    key: Key,
    rule: _RULE,
    *,
    serve: Annotated[str | None, typer.Option(metavar="VARIANT", help="What it serves ...")] = None,
    value: Annotated[str | None, typer.Option(metavar="VALUE", help="... or a value of its own ...")] = None,
    rollout: Annotated[str | None, typer.Option(metavar="WEIGHTS", help="... or shares, as a=20,b=80 ...")] = None,
    experiment: Annotated[str | None, typer.Option(metavar="KEY", help="... or an experiment.")] = None,
    when: Annotated[
        list[str] | None, typer.Option(metavar="CONDITION", help="As 'country in [DE, FR]'; repeatable: all must hold.")
    ] = None,
    percentage: Annotated[str | None, typer.Option(metavar="PERCENT", help="Of the units, 0 to 100.")] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="Why it is there.")] = None,
    before: _BEFORE = None,
    after: _AFTER = None,
    env: Env = None,
    copy_down: CopyDown = False,
) -> None:
    """Add a rule: behind the others, or where you say."""
    from flagctl.errors import UsageError
    from flagctl.ops.edit_paths import parse_condition, parse_percentage, parse_value, parse_weights

    if sum(given is not None for given in (serve, value, rollout, experiment)) != 1:
        raise UsageError("what does the rule serve?", hint="one of --serve, --value, --rollout, --experiment")
    item: dict[str, Any] = {"id": rule}
    if description is not None:
        item["description"] = description
    if when:
        item["when"] = [parse_condition(text) for text in when]
    if serve is not None:
        item["serve"] = serve
    elif value is not None:
        item["value"] = parse_value(value)
    elif rollout is not None:
        item["rollout"] = parse_weights(joined([rollout]))
    else:
        item["experiment"] = experiment
    if percentage is not None:
        item["percentage"] = parse_percentage(percentage)
    at = _place(before, after)
    run(context, lambda draft, copy: draft.add_rule(key, item, at=at, env=env, copy_down=copy), copy_down=copy_down)


def remove_rule(context: typer.Context, key: Key, rule: _RULE, *, env: Env = None, copy_down: CopyDown = False) -> None:
    """Remove a rule."""
    run(context, lambda draft, copy: draft.remove_rule(key, rule, env=env, copy_down=copy), copy_down=copy_down)


def move_rule(
    context: typer.Context,
    key: Key,
    rule: _RULE,
    *,
    before: _BEFORE = None,
    after: _AFTER = None,
    to: Annotated[int | None, typer.Option(min=1, metavar="PLACE", help="To this place, counted from 1.")] = None,
    env: Env = None,
    copy_down: CopyDown = False,
) -> None:
    """Move a rule: the first one that matches decides."""
    from flagctl.errors import UsageError

    at = _place(before, after) if to is None else to - 1
    if at is None or (to is not None and (before or after)):
        raise UsageError("where to?", hint="one of --before RULE, --after RULE, --to PLACE")
    run(context, lambda draft, copy: draft.move_rule(key, rule, at, env=env, copy_down=copy), copy_down=copy_down)


def set_percentage(
    context: typer.Context,
    key: Key,
    percentage: Annotated[str, typer.Argument(metavar="PERCENT", help="0 to 100, or a schedule in braces.")],
    *,
    rule: _WHICH = None,
    env: Env = None,
    copy_down: CopyDown = False,
) -> None:
    """Let a rule serve another share of the units."""
    from flagctl.ops.edit_paths import parse_percentage, parse_value

    amount: Any = parse_value(percentage) if percentage.startswith(("{", "@")) else parse_percentage(percentage)
    run(
        context,
        lambda draft, copy: draft.set_percentage(key, amount, rule=rule, env=env, copy_down=copy),
        copy_down=copy_down,
    )


def set_rollout(
    context: typer.Context,
    key: Key,
    weights: Annotated[list[str], typer.Argument(metavar="WEIGHTS...", help="As a=20,b=80; 100 together.")],
    *,
    rule: _WHICH = None,
    env: Env = None,
    copy_down: CopyDown = False,
) -> None:
    """Split units among variants: by default those that no rule takes."""
    from flagctl.ops.edit_paths import parse_weights

    parsed = parse_weights(joined(weights))
    run(
        context,
        lambda draft, copy: draft.set_rollout(key, parsed, rule=rule, env=env, copy_down=copy),
        copy_down=copy_down,
    )


def set_schedule(
    context: typer.Context,
    key: Key,
    *,
    start: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="As 2026-12-01T09:00:00Z.")] = None,
    end: Annotated[str | None, typer.Option("--until", metavar="INSTANT", help="From then on no more.")] = None,
    rule: _WHICH = None,
    env: Env = None,
) -> None:
    """Say when a flag, or one of its rules, is in force; without --from and --until: always."""
    run(context, lambda draft, _: draft.set_schedule(key, start=start, end=end, rule=rule, env=env))


def add_prerequisite(
    context: typer.Context,
    key: Key,
    flag: Annotated[str, typer.Argument(metavar="FLAG", help="Key of the flag it needs.")],
    variants: Annotated[list[str], typer.Argument(metavar="VARIANT...", help="Any of these will do.")],
    *,
    env: Env = None,
    copy_down: CopyDown = False,
) -> None:
    """Let a flag depend on variants of another one."""
    run(
        context,
        lambda draft, copy: draft.add_prerequisite(key, flag, joined(variants), env=env, copy_down=copy),
        copy_down=copy_down,
    )


def remove_prerequisite(
    context: typer.Context,
    key: Key,
    flag: Annotated[str, typer.Argument(metavar="FLAG", help="Key of the flag it no longer needs.")],
    *,
    env: Env = None,
    copy_down: CopyDown = False,
) -> None:
    """Let a flag no longer depend on another one."""
    run(context, lambda draft, copy: draft.remove_prerequisite(key, flag, env=env, copy_down=copy), copy_down=copy_down)


def _place(before: str | None, after: str | None) -> At:
    from flagctl.errors import UsageError

    if before is not None and after is not None:
        raise UsageError("--before and --after do not go together")
    if before is not None:
        return ("before", before)
    return None if after is None else ("after", after)
