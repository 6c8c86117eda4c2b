"""The codes of findings that reading a file can give: `SYN` for the text, `SCH` for its shape and its values.

The examples are tested: `bad` gives its code and nothing else, `good` gives nothing. Where a problem can't be written down as
text, `bad` describes it in a comment, and `UNPRINTABLE` lists the code.
"""

from __future__ import annotations

from typing import Final

from flagctl.source.codes_shape import SHAPE_RULES
from flagctl.source.codes_text import TEXT_RULES

SOURCE_RULES: Final = (*TEXT_RULES, *SHAPE_RULES)
"""Every code of this package."""

UNPRINTABLE: Final = frozenset({"SYN101", "SYN117", "SCH120", "REF100"})
"""Codes whose example is no single text that could be shown: wrong bytes, five megabytes, a missing or second file."""
