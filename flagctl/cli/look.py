"""Commands to look around: `list`, `show`, `graph`."""

from typing import Annotated, Final

import typer

from flagctl.cli.completions import complete_environments, complete_flags
from flagctl.cli.session import joined, session_of

_MOST_PATHS: Final = 5
"""Of broken files, in a warning on the side."""

_DRAWINGS: Final = ("mermaid", "dot")
"""What programs that draw graphs read."""


def list_command(
    context: typer.Context,
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="In key, name or description.")] = None,
    *,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="TAG", help="With this tag; repeat for all of several.")
    ] = None,
    owner: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Of this owner, or any of several.")] = None,
    flag_type: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="boolean, string, number or json.")
    ] = None,
    env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only this environment.", autocompletion=complete_environments),
    ] = None,
) -> None:
    """List flags and what they are in each environment."""
    from flagctl.errors import UsageError
    from flagctl.model import FlagType
    from flagctl.ops.listing import ListOptions, list_flags
    from flagctl.report.flags import render_list
    from flagctl.report.style import one_line

    session = session_of(context)
    session.format("text", "json")
    types = joined(flag_type)
    known = [kind.value for kind in FlagType]
    for name in types:
        if name not in known:
            raise UsageError(f"there is no type '{name}'", hint=f"there are: {', '.join(known)}")
    result = list_flags(
        ListOptions(root=session.root, tags=joined(tag), owners=joined(owner), types=types, environment=env, text=text)
    )
    session.emit(result, render_list)
    if result.incomplete:
        from flagctl.lint.words import first_of

        shown = first_of(map(one_line, result.incomplete), _MOST_PATHS)
        session.console.warning(f"files with errors may be missing here: {shown}")
        session.console.hint("flagctl validate shows what is wrong")


def show(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Of the flag.", autocompletion=complete_flags)],
    source: Annotated[bool, typer.Option("--source", help="Print the file instead.")] = False,
) -> None:
    """Show one flag: what it is in each environment."""
    from flagctl.ops.listing import show_flag
    from flagctl.report.flags import render_show
    from flagctl.report.highlight import highlight_yaml

    session = session_of(context)
    session.format("text", "json")
    result = show_flag(session.root, key)
    if source:
        session.console.result(highlight_yaml(result.text.rstrip("\n"), session.style))
    else:
        session.emit(result, render_show)


def graph(
    context: typer.Context,
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="Only around this flag.", autocompletion=complete_flags)
    ] = None,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="text, mermaid or dot.")] = "text",
    impact: Annotated[bool, typer.Option("--impact", help="What else turns off when KEY is turned off.")] = False,
    env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only this environment.", autocompletion=complete_environments),
    ] = None,
) -> None:
    """Show what depends on what, or what turns off with a flag."""
    from flagctl.errors import UsageError
    from flagctl.ops.graph import GraphOptions, build_graph
    from flagctl.ops.graph import impact as find_impact
    from flagctl.report.graph import render_dot, render_graph, render_impact, render_mermaid

    session = session_of(context)
    output = session.format("text", "json", *_DRAWINGS)
    options = GraphOptions(root=session.root, key=key, environment=env)
    if impact:
        if key is None:
            raise UsageError("the impact of which flag?", hint="flagctl graph KEY --impact")
        session.emit(find_impact(options), render_impact)
        return
    if form not in {"text", *_DRAWINGS}:
        raise UsageError(f"'{form}' is no format of a graph", hint=f"there are: text, {', '.join(_DRAWINGS)}")
    drawn = output if output == "json" or form == "text" else form
    result = build_graph(options)
    if drawn in _DRAWINGS:
        session.console.result(render_mermaid(result) if drawn == "mermaid" else render_dot(result))
    else:
        session.emit(result, render_graph)
