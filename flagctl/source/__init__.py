"""Flag files: YAML 1.2 with positions, JSON Schemas, and the way from bytes to `flagctl.model`.

`find_root` and `read_tree` touch the disk, `load_tree` is a function of bytes. What is wrong comes back as diagnostics with
the codes of `flagctl.source.codes`.
"""

from flagctl.source.comments import Comment
from flagctl.source.discovery import find_root, read_tree
from flagctl.source.document import SourceDocument
from flagctl.source.loading import LoadedRepository, load_tree
from flagctl.source.modeline import modeline_edit, modeline_text, read_modeline, relative_schema

__all__ = [
    "Comment",
    "LoadedRepository",
    "SourceDocument",
    "find_root",
    "load_tree",
    "modeline_edit",
    "modeline_text",
    "read_modeline",
    "read_tree",
    "relative_schema",
]
