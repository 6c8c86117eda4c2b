"""An edit from beginning to end, as commands do it: under the lock, so that nothing moves between reading and writing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.ops.edit import Draft
from flagctl.ops.edit_apply import apply_plan
from flagctl.ops.edit_lock import edit_lock
from flagctl.ops.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flagctl.ops.edit_apply import ApplyOptions
    from flagctl.ops.edit_model import EditResult


def run_edit(root: Path, now_ms: int, options: ApplyOptions, work: Callable[[Draft], object]) -> EditResult:
    """Read the repository, let `work` edit a draft, and write it.

    Args:
        root: The flag repository's root.
        now_ms: Instant for rules about time and for ramps, milliseconds since the epoch.
        options: How to write.
        work: Calls methods of the draft.

    Raises:
        EditRefusedError: If the edit would bring errors.
        ConflictError: If others keep the repository locked.
        UsageError: If the edit does not fit.
    """
    with edit_lock(root):
        draft = Draft(Workspace(root), now_ms)
        work(draft)
        return apply_plan(root, draft.plan(), options)
