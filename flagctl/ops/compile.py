"""`flagctl compile`: one environment's flags as a bundle, unsigned, into a file or as bytes."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from flagctl.compiler import CompiledBundle


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileOptions:
    """What to compile, and where to.

    Attributes:
        root: The flag repository's root.
        environment: Environment to compile for.
        now_ms: Instant that rules about time use, milliseconds since the epoch. The bundle does not depend on it.
        output: File to write; one whose name ends in ``.gz`` is compressed. None only returns the bytes.
        revision: Git revision to compile; None is the work tree.
    """

    root: Path
    environment: str
    now_ms: int
    output: Path | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileResult:
    """What was compiled.

    Attributes:
        bundle: The bundle.
        output: File that was written, or None.
        written: Bytes in that file, or of the bundle.
    """

    bundle: CompiledBundle
    output: Path | None
    written: int

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-compile.schema.json`)."""
        return {
            "project": self.bundle.project,
            "environment": self.bundle.environment,
            "sha256": self.bundle.sha256,
            "size": len(self.bundle.data),
            "flags": self.bundle.flag_count,
            "capabilities": list(self.bundle.capabilities),
            "output": None if self.output is None else str(self.output),
            "written": self.written,
        }


def compile_bundle(options: CompileOptions) -> CompileResult:
    """Validate a flag repository and compile one of its environments.

    Raises:
        UsageError: If the repository has no such environment or revision, or the file cannot be written.
        InvalidFlagsError: If a flag file has an error.
    """
    from flagctl.compiler import compile_environment
    from flagctl.ops.loading import check_environment, checked, load, readable

    loaded = load(options.root, revision=options.revision)
    # A mistyped environment is reported before the errors of flags.
    environment = check_environment(readable(loaded), options.environment)
    bundle = compile_environment(checked(loaded, options.now_ms), environment)
    if options.output is None:
        return CompileResult(bundle=bundle, output=None, written=len(bundle.data))
    data = bundle.data
    if options.output.suffix == ".gz":
        from flagctl.bundle.blob import pack

        data = pack(data)
    write_file(options.output, data)
    return CompileResult(bundle=bundle, output=options.output, written=len(data))


def write_file(path: Path, data: bytes) -> None:
    """Put a file in place as a whole: a reader sees the old one or the new one, never a part.

    Raises:
        UsageError: If it cannot be written.
    """
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(temporary).chmod(0o666 & ~_umask())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current
