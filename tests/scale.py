"""How much work seeded loops and property tests do, by the environment variable HYPOTHESIS_PROFILE.

``default`` is quick enough for every run; ``thorough`` takes an hour; ``long`` is a thorough run cut short, for continuous
integration.
"""

from __future__ import annotations

import os

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")


def scaled(default: int, thorough: int) -> int:
    if PROFILE == "thorough":
        return thorough
    return min(thorough, default * 4) if PROFILE == "long" else default
