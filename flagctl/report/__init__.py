"""Renderers: results in, text out.

Every renderer takes a result object of `flagctl.ops` (or of what an operation returns) and a :class:`Style`, and returns
text without a final newline. Nothing here reads files, knows options, or prints. Text that comes from users (names,
messages, values) passes through :func:`flagctl.report.style.plain`, so that no flag file can move the cursor or hide a line.
"""

from __future__ import annotations
