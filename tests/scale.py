"""How much work seeded loops do: little in the default run, much under the thorough profile."""

from __future__ import annotations

import os


def scaled(default: int, thorough: int) -> int:
    return thorough if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else default
