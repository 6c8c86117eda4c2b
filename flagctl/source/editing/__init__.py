r"""Edits of flag files that keep comments and layout.

Pure: a text and edits as data go in, a text comes out. Positions come from the loader's exact spans, so that what is not edited is not
even looked at; the result is read again and compared with the same edit of the data.

>>> edit_text("a: 1 # one\nb: [x]\n", [Set(("a",), 2), Insert(("b",), 1, "y")])
'a: 2 # one\nb: [x, y]\n'
"""

from flagctl.source.editing.apply import edit_text
from flagctl.source.editing.edits import (
    Delete,
    Edit,
    EditError,
    Insert,
    Move,
    Rename,
    Set,
    apply_to_data,
    exists,
    same,
    value_at,
)

__all__ = [
    "Delete",
    "Edit",
    "EditError",
    "Insert",
    "Move",
    "Rename",
    "Set",
    "apply_to_data",
    "edit_text",
    "exists",
    "same",
    "value_at",
]
