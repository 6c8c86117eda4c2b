from __future__ import annotations

import pytest
import re2


class Oracle:
    """google-re2, told to be quiet and given room for large patterns."""

    def __init__(self) -> None:
        self.options = re2.Options()
        self.options.log_errors = False
        self.options.max_mem = 256 << 20

    def compile(self, pattern: str):
        """Return RE2's compiled pattern; raises re2.error if it refuses."""
        return re2.compile(pattern, self.options)


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    return Oracle()
