"""All edits that have a name, as methods of one draft."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.ops.edit_documents import DocumentEdits, NewFlag

if TYPE_CHECKING:
    from flagctl.ops.edit_model import EditResult

__all__ = ["Draft", "NewFlag"]


class Draft(DocumentEdits):
    """Edits that are written together.

    Attributes:
        result: What writing them did, once `FlagRepository.edit` has ended.
    """

    result: EditResult | None = None
