"""Commands that make the next root of trust: `trust add-key`, `remove-key`, `new-version`, `sign`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flagctl.cli.session import Session, session_of

if TYPE_CHECKING:
    from flagctl.ops.trust_next import DraftResult, TrustPlace

DRAFT = "trust.next.json"

Current = Annotated[
    Path | None,
    typer.Option("--trust", metavar="FILE", help="Current root; default: trust.json of the flag repository."),
]
Draft = Annotated[
    Path | None,
    typer.Option("--draft", metavar="FILE", help=f"The next root; default: {DRAFT} beside the current one."),
]
Role = Annotated[str, typer.Option("--role", metavar="ROLE", help="root, publish or kill.")]
Envs = Annotated[
    list[str] | None, typer.Option("--env", metavar="ENV", help="Only there; may be repeated. Default: everywhere.")
]


def add_key(
    context: typer.Context,
    key: Annotated[Path, typer.Argument(metavar="FILE", help="Public or private key file.")],
    *,
    role: Role,
    env: Envs = None,
    trust: Current = None,
    draft: Draft = None,
) -> None:
    """Let a key publish, force off, or make the next root."""
    from flagctl.ops.trust_next import add_key as run
    from flagctl.signing import read_public_key

    session = session_of(context)
    session.format("text", "json")
    _show(session, run(place_of(session, trust, draft), read_public_key(key), role, env))


def remove_key(
    context: typer.Context,
    keyid: Annotated[str, typer.Argument(metavar="KEYID", help="As `trust show` prints it, or the key's file.")],
    *,
    role: Annotated[str | None, typer.Option("--role", metavar="ROLE", help="Only out of this role.")] = None,
    env: Envs = None,
    trust: Current = None,
    draft: Draft = None,
) -> None:
    """Take a key out, and void everything that was signed before."""
    from flagctl.ops.trust_next import remove_key as run
    from flagctl.signing import read_public_key

    session = session_of(context)
    session.format("text", "json")
    named = read_public_key(Path(keyid)).keyid if Path(keyid).is_file() else keyid
    _show(session, run(place_of(session, trust, draft), named, role, env))


def new_version(
    context: typer.Context,
    *,
    raise_epoch: Annotated[bool, typer.Option("--raise-epoch", help="Void everything that was signed before.")] = False,
    threshold: Annotated[
        list[str] | None,
        typer.Option(metavar="ROLE=N", help="root=2, publish:production=2, kill:production=1; may be repeated."),
    ] = None,
    lifetime: Annotated[int, typer.Option(metavar="DAYS", min=1, help="Until people are reminded.")] = 1825,
    trust: Current = None,
    draft: Draft = None,
) -> None:
    """Renew the expiry, set thresholds, or raise the epoch."""
    from flagctl.ops.trust_next import new_version as run

    session = session_of(context)
    session.format("text", "json")
    place = place_of(session, trust, draft)
    _show(session, run(place, raise_epoch=raise_epoch, lifetime_days=lifetime, thresholds=_thresholds(threshold or [])))


def sign(
    context: typer.Context,
    *,
    key: Annotated[
        list[str], typer.Option("--key", metavar="SPEC", help="Root key: file or env:NAME; may be repeated.")
    ],
    trust: Current = None,
    draft: Draft = None,
) -> None:
    """Sign the next root; pass the file on until enough people have."""
    from flagctl.ops.signers import open_signer
    from flagctl.ops.trust_next import sign_draft

    session = session_of(context)
    session.format("text", "json")
    _show(session, sign_draft(place_of(session, trust, draft), [open_signer(spec) for spec in key]))


def place_of(session: Session, trust: Path | None, draft: Path | None) -> "TrustPlace":
    """Return the files; with both or one named, no flag repository is needed."""
    from flagctl.ops.trust_next import TrustPlace

    current = trust if trust is not None else session.root / "trust.json"
    return TrustPlace(current, draft if draft is not None else current.with_name(DRAFT))


def _show(session: Session, result: "DraftResult") -> None:
    from flagctl.report.keys import render_draft

    session.emit(result, render_draft)
    if result.dropped:
        session.console.warning(f"{result.dropped} signatures were made for other content, and are gone")
    if result.complete:
        session.console.hint(f"it is complete: flagctl trust push URL --trust {result.path}")


def _thresholds(words: list[str]) -> dict[str, int]:
    from flagctl.errors import UsageError

    result = {}
    for word in words:
        name, _, number = word.rpartition("=")
        if not name or not number.isdecimal():
            raise UsageError(f"'{word}' is no threshold", hint="write root=2 or publish:production=2")
        result[name] = int(number)
    return result
