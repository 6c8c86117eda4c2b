"""Commands that edit a flag's own properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flagctl.cli.edit_common import CopyDown, EditCommand, Env, Key, may_ask, run
from flagctl.cli.session import joined, session_of

if TYPE_CHECKING:
    from flagctl.cli.session import Session
    from flagctl.ops.edit import Draft

COMMAND_CLASS = EditCommand

_VARIANT = Annotated[str, typer.Argument(metavar="VARIANT", help="Name of a variant.")]
_VALUE = Annotated[
    str, typer.Argument(metavar="VALUE", help="As in a flag file: 5, true, text, {a: 1}; @FILE reads it.")
]
_KIND = Annotated[str, typer.Option("--kind", metavar="KIND", help="flag, segment, experiment or layer.")]


def create(
    context: typer.Context,
    key: Annotated[str | None, typer.Argument(metavar="KEY", help="Of the new flag.")] = None,
    *,
    template: Annotated[
        str | None, typer.Option("--from", metavar="TEMPLATE", help="A template; --templates lists them.")
    ] = None,
    templates: Annotated[bool, typer.Option("--templates", help="List the templates.")] = False,
    flag_type: Annotated[
        str, typer.Option("--type", metavar="TYPE", help="boolean, string, number or json.")
    ] = "boolean",
    owner: Annotated[str | None, typer.Option(metavar="TEAM", help="Who is responsible.")] = None,
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="For people.")] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="For people.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="Repeatable.")] = None,
    folder: Annotated[str | None, typer.Option(metavar="DIR", help="Default: where the owner's flags are.")] = None,
    expires: Annotated[str | None, typer.Option(metavar="DATE", help="When it should be gone, as 2027-03-31.")] = None,
    var: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="For the template; repeatable.")] = None,
) -> None:
    """Make a new flag."""
    from flagctl.ops.edit import NewFlag
    from flagctl.ops.edit_templates import template_names
    from flagctl.ops.repository import FlagRepository

    session = session_of(context)
    if templates:
        names = template_names(session.root)
        session.console.result("\n".join(f"{each:<14}{text}" for each, text in names.items()))
        return
    if key is None and may_ask(context):
        draft = FlagRepository(session.root).draft()
        key = _asked_key(session, draft)
        template = template or session.console.ask(
            f"Template ({', '.join(template_names(session.root))}), or none?", ""
        )
        owner = owner or session.console.ask("Who owns it?", str(draft.value("flagctl.yaml", ("owner",)) or ""))
        description = description or session.console.ask("What is it for?", "")
    if key is None:
        raise _keyless()
    values = dict(item.partition("=")[::2] for item in var or ())
    new = NewFlag(
        key=key,
        template=template or None,
        type=flag_type,
        owner=owner or None,
        name=name,
        description=description or None,
        tags=joined(tag),
        folder=folder,
        expires=expires,
        values=values,
    )
    run(context, lambda draft, _: draft.create(new))


def _asked_key(session: Session, draft: Draft) -> str:
    """Ask for a new key; one that is missing or taken is told before anything else is asked."""
    from flagctl.errors import UsageError

    key = session.console.ask("Key of the flag?", "")
    if not key:
        raise _keyless()
    if draft.has(key):
        raise UsageError(f"there is a flag '{key}' already: {draft.find(key)}")
    return key


def _keyless() -> Exception:
    from flagctl.errors import UsageError

    return UsageError("which key?", hint="flagctl create KEY --owner TEAM")


def update(
    context: typer.Context,
    key: Key,
    *,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="As rules[ramp].percentage=50; repeatable.")
    ] = None,
    unset: Annotated[list[str] | None, typer.Option(metavar="PATH", help="Remove; repeatable.")] = None,
    inherit: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="With --env: have again what all share, as rules.")
    ] = None,
    env: Env = None,
    kind: _KIND = "flag",
) -> None:
    """Set or remove anything in a flag, segment, experiment or layer."""
    from flagctl.errors import UsageError
    from flagctl.ops.edit_paths import parse_assignment

    if not (settings or unset or inherit):
        raise UsageError("what to change?", hint=f"flagctl update {key} --set owner=team-checkout")
    if inherit and env is None:
        raise UsageError("--inherit goes with --env")
    prefix = "" if env is None else f'environments."{env}".'
    assignments = [parse_assignment(text) for text in settings or ()]

    def work(draft, _copy_down):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  as `run` says
        draft.check_environment(env)
        for path, value in assignments:
            draft.set_path(key, prefix + path, value, kind=kind)
        for path in unset or ():
            draft.unset_path(key, prefix + path, kind=kind)
        for name in joined(inherit):
            draft.inherit(key, name, env)

    run(context, work)


def delete(
    context: typer.Context,
    key: Key,
    *,
    kind: _KIND = "flag",
    with_tests: Annotated[
        bool, typer.Option("--with-tests", help="Delete tests that are about nothing else, too.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Although others need it; they are listed.")] = False,
) -> None:
    """Delete a flag that nothing needs any more: no other flag, segment, experiment, test or code."""
    run(context, lambda draft, _: draft.delete(key, kind=kind, with_tests=with_tests, force=force))


def archive(
    context: typer.Context,
    key: Key,
    *,
    serve: Annotated[
        str | None, typer.Option(metavar="VARIANT", help="For everybody; default: what all get already.")
    ] = None,
    with_tests: Annotated[
        bool, typer.Option("--with-tests", help="Delete tests that are about nothing else, too.")
    ] = False,
) -> None:
    """Freeze a flag: one answer for everybody, until the code stops asking."""
    run(context, lambda draft, _: draft.archive(key, serve=serve, with_tests=with_tests))


def enable(context: typer.Context, key: Key, *, env: Env = None) -> None:
    """Switch a flag on."""
    run(context, lambda draft, _: draft.set_enabled(key, True, env=env))


def disable(context: typer.Context, key: Key, *, env: Env = None) -> None:
    """Switch a flag off, in git; `flagctl kill` does it without a publication."""
    run(context, lambda draft, _: draft.set_enabled(key, False, env=env))


def set_default(context: typer.Context, key: Key, variant: _VARIANT, *, env: Env = None) -> None:
    """Say what is served when no rule matches."""
    run(context, lambda draft, _: draft.set_default(key, variant, env=env))


def set_value(context: typer.Context, key: Key, value: _VALUE, *, env: Env = None) -> None:
    """Give a flag without variants another value."""
    from flagctl.ops.edit_paths import parse_value

    parsed = parse_value(value)
    run(context, lambda draft, _: draft.set_value(key, parsed, env=env))


def set_variant(context: typer.Context, key: Key, variant: _VARIANT, value: _VALUE) -> None:
    """Give a variant another value."""
    from flagctl.ops.edit_paths import parse_value

    parsed = parse_value(value)
    run(context, lambda draft, _: draft.set_variant(key, variant, parsed))


def add_variant(context: typer.Context, key: Key, variant: _VARIANT, value: _VALUE) -> None:
    """Add a variant behind the others."""
    from flagctl.ops.edit_paths import parse_value

    parsed = parse_value(value)
    run(context, lambda draft, _: draft.add_variant(key, variant, parsed))


def rename_variant(
    context: typer.Context,
    key: Key,
    old: Annotated[str, typer.Argument(metavar="OLD", help="The name it has.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The name it gets.")],
) -> None:
    """Give a variant another name, also where other flags, drafts of experiments and tests name it.

    A variant of an experiment that has begun keeps its name: data were recorded under it.
    """
    run(context, lambda draft, _: draft.rename_variant(key, old, new, in_code=True))


def remove_variant(context: typer.Context, key: Key, variant: _VARIANT) -> None:
    """Remove a variant that nothing serves any more."""
    run(context, lambda draft, _: draft.remove_variant(key, variant))


_UNITS = Annotated[list[str], typer.Argument(metavar="UNIT...", help="Units by name, such as user ids.")]
_SEGMENT = Annotated[bool, typer.Option("--segment", help="KEY is a segment: edit its include list.")]
_EXCLUDE = Annotated[bool, typer.Option("--exclude", help="With --segment: edit its exclude list.")]


def add_target(
    context: typer.Context,
    key: Key,
    units: _UNITS,
    *,
    variant: Annotated[str | None, typer.Option(metavar="VARIANT", help="What they get.")] = None,
    segment: _SEGMENT = False,
    exclude: _EXCLUDE = False,
    env: Env = None,
    copy_down: CopyDown = False,
) -> None:
    """Serve a variant to single units, or put them into a segment."""
    from flagctl.errors import UsageError

    if segment:
        run(context, lambda draft, _: draft.add_members(key, units, to="exclude" if exclude else "include"))
        return
    if variant is None:
        raise UsageError("which variant?", hint=f"flagctl add-target {key} {units[0]} --variant on")
    run(
        context,
        lambda draft, copy: draft.add_targets(key, variant, units, env=env, copy_down=copy),
        copy_down=copy_down,
    )


def remove_target(
    context: typer.Context,
    key: Key,
    units: _UNITS,
    *,
    segment: _SEGMENT = False,
    exclude: _EXCLUDE = False,
    env: Env = None,
    copy_down: CopyDown = False,
) -> None:
    """Take single units out of a flag's targets, or out of a segment."""
    if segment:
        run(context, lambda draft, _: draft.remove_members(key, units, of="exclude" if exclude else "include"))
        return
    run(context, lambda draft, copy: draft.remove_targets(key, units, env=env, copy_down=copy), copy_down=copy_down)


_TAGS = Annotated[list[str], typer.Argument(metavar="TAG...")]


def add_tag(context: typer.Context, key: Key, tags: _TAGS, *, kind: _KIND = "flag") -> None:
    """Add tags."""
    run(context, lambda draft, _: draft.add_tags(key, tags, kind=kind))


def remove_tag(context: typer.Context, key: Key, tags: _TAGS, *, kind: _KIND = "flag") -> None:
    """Remove tags."""
    run(context, lambda draft, _: draft.remove_tags(key, tags, kind=kind))


def set_expiry(
    context: typer.Context,
    key: Key,
    when: Annotated[str, typer.Argument(metavar="DATE", help="As 2027-03-31, or never.")],
) -> None:
    """Say from which day on a flag should be gone."""
    run(context, lambda draft, _: draft.set_expiry(key, None if when == "never" else when))


def rename_owner(
    context: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD")],
    new: Annotated[str, typer.Argument(metavar="NEW")],
) -> None:
    """Hand everything of one owner to another one, in all files."""
    run(context, lambda draft, _: draft.rename_owner(old, new))
