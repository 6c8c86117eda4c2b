"""Commands about keys and the root of trust: `keys`, `trust`."""

from pathlib import Path
from typing import Annotated

import typer

from flagctl.cli import trust_next
from flagctl.cli.publish import EndpointUrl, Region
from flagctl.cli.session import session_of


def generate(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Of the private key; the public one gets .pub.")],
    scheme: Annotated[str, typer.Option(metavar="NAME", help="ed25519 or ecdsa-p256.")] = "ed25519",
) -> None:
    """Make a key pair; the private file is readable by you alone (mode 0600)."""
    from flagctl.ops.keys import generate_key
    from flagctl.report.keys import render_key

    session = session_of(context)
    session.format("text", "json")
    session.emit(generate_key(path, scheme=scheme), render_key)
    session.console.hint(f"keep {path} out of git; {path}.pub may go anywhere")


def list_command(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Default: .flagctl/keys of the flag repository.")
    ] = None,
) -> None:
    """List the keys of a folder."""
    from flagctl.ops.keys import list_keys
    from flagctl.ops.publishing import KEY_FOLDER
    from flagctl.report.keys import KeyTable, render_keys

    session = session_of(context)
    place = session.root / KEY_FOLDER if folder is None else folder
    session.emit(KeyTable(keys=list_keys(place)), render_keys)


def show(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Private or public key file.")],
) -> None:
    """Show a key's id and public half."""
    from flagctl.ops.keys import inspect_key
    from flagctl.report.keys import render_key_in_full

    session_of(context).emit(inspect_key(path), render_key_in_full)


def init(
    context: typer.Context,
    *,
    root_key: Annotated[list[str], typer.Option("--root-key", metavar="SPEC", help="Signs the root; may be repeated.")],
    publish_key: Annotated[
        list[str],
        typer.Option("--publish-key", metavar="[ENV=]FILE", help="May publish, everywhere or to ENV; may be repeated."),
    ],
    kill_key: Annotated[
        list[str] | None,
        typer.Option("--kill-key", metavar="[ENV=]FILE", help="May force flags off; may be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Default: trust.json.")] = None,
    root_threshold: Annotated[int, typer.Option(metavar="N", min=1, help="Root keys needed for a next root.")] = 1,
    publish_threshold: Annotated[int, typer.Option(metavar="N", min=1, help="Keys needed to publish.")] = 1,
) -> None:
    """Make the root of trust: which keys may publish which environment. It goes into git and into apps."""
    from flagctl.ops.loading import load, readable
    from flagctl.ops.trust import TrustInit, init_trust
    from flagctl.report.keys import render_trust

    session = session_of(context)
    config = readable(load(session.root)).config
    options = TrustInit(
        project=config.project,
        environments=tuple(config.environments),
        out=session.root / "trust.json" if out is None else out,
        root_keys=tuple(root_key),
        publish_keys=_by_environment(publish_key),
        kill_keys=_by_environment(kill_key or []),
        root_threshold=root_threshold,
        publish_threshold=publish_threshold,
    )
    session.emit(init_trust(options), render_trust)


def show_trust(
    context: typer.Context,
    path: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Default: trust.json of the flag repository.")
    ] = None,
    *,
    draft: Annotated[
        bool, typer.Option("--draft", help="The next root of trust, and whose signatures it lacks.")
    ] = False,
) -> None:
    """Show who may publish where."""
    from flagctl.ops.trust import show_trust as run
    from flagctl.ops.trust_next import show_draft
    from flagctl.report.keys import render_draft, render_trust

    session = session_of(context)
    if draft:
        session.emit(show_draft(trust_next.place_of(session, path, None)), render_draft)
        return
    session.emit(run(session.root / "trust.json" if path is None else path), render_trust)


def push(
    context: typer.Context,
    remote: Annotated[str, typer.Argument(metavar="URL", help="file:///folder or s3://bucket/prefix.")],
    path: Annotated[
        Path | None, typer.Option("--trust", metavar="FILE", help="Default: trust.json of the flag repository.")
    ] = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
) -> None:
    """Write the root of trust to a remote, where apps and publishers look for newer ones."""
    from flagctl.ops.trust import push_trust
    from flagctl.report.keys import render_trust
    from flagctl.storage import RemoteOptions, open_remote

    session = session_of(context)
    opened = open_remote(remote, options=RemoteOptions(endpoint_url=endpoint_url, region=region))
    result = push_trust(opened, session.root / "trust.json" if path is None else path)
    session.emit(result, render_trust)
    if result.version > 1:
        session.console.hint(
            "clients and publishers follow it by themselves; then: flagctl kills --renew, flagctl publish"
        )


def _by_environment(words: list[str]) -> dict[str, tuple[Path, ...]]:
    """Return key files by environment; a word without ``ENV=`` counts for all others."""
    result: dict[str, tuple[Path, ...]] = {}
    for word in words:
        environment, equals, path = word.partition("=")
        name, file = (environment, path) if equals else ("*", word)
        result[name] = (*result.get(name, ()), Path(file))
    return result
