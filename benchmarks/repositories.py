"""The flag repository that a benchmark measures: one that exists, or one made for it; and what one publishes of it."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from flagctl.ops.target import Target
    from flagctl.signing import LocalSigner


def add_arguments(parser: argparse.ArgumentParser, about_folder: str) -> None:
    """Add the arguments that `repository` reads."""
    parser.add_argument("--folder", type=Path, help=about_folder)
    parser.add_argument("--flags", type=int, default=10_000, help="number of flags to generate without --folder")


@contextlib.contextmanager
def repository(arguments: argparse.Namespace) -> Iterator[Path]:
    """Return the root of the repository that was named, or of a generated one that goes at the end."""
    if arguments.folder is not None:
        yield arguments.folder
        return
    from generate import Options, generate, write

    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "flags"
        write(root, generate(Options(flags=arguments.flags)))
        yield root


class Published(NamedTuple):
    """A generated bundle that is live in a folder."""

    data: bytes
    target: Target
    trust: bytes
    publisher: LocalSigner


def publish_flags(folder: Path, flags: int) -> Published:
    """Publish a generated bundle to a folder, with keys made for it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from flagctl.bundle.envelope import Role
    from flagctl.bundle.trust import TrustRoot, read_trust, write_trust
    from flagctl.evaluator.document import open_bundle
    from flagctl.ops.bench_flags import large_bundle
    from flagctl.ops.publish import publish
    from flagctl.ops.publish_model import PublishOptions
    from flagctl.ops.target import Target
    from flagctl.signing import LocalSigner
    from flagctl.storage import open_remote

    data = large_bundle(flags, 1)
    header = open_bundle(data).header
    root, publisher = (LocalSigner(Ed25519PrivateKey.generate()) for _ in range(2))
    content = TrustRoot(
        project=header.project,
        version=1,
        epoch=1,
        expires=int(time.time()) + 10**8,
        root=Role((root.public_key,), 1),
        publish={header.env: Role((publisher.public_key,), 1)},
        kill={},
    )
    trust = write_trust(content, [root])
    remote = open_remote(f"file://{folder}/remote")
    target = Target(remote=remote, environment=header.env, trust=read_trust(trust))
    publish(target, data, [publisher], PublishOptions())
    return Published(data, target, trust, publisher)
