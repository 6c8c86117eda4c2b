"""All edits that have a name, as methods of one draft."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.ops.edit_draft import BaseDraft

if TYPE_CHECKING:
    from flagctl.ops.edit_model import EditResult


class Draft(BaseDraft):
    """Edits that are written together.

    Attributes:
        result: What writing them did, once `FlagRepository.edit` has ended.
    """

    result: EditResult | None = None
