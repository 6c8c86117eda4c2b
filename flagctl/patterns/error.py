"""What is wrong with a pattern."""

from __future__ import annotations

from flagctl.errors import FindingsError


class PatternError(FindingsError):
    """A pattern that is malformed, outside the subset, or too complex.

    Args:
        message: One sentence that says what is wrong and, where there is one, what to write instead.
        position: Index of the character in the pattern where the trouble starts.
    """

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(message)
        self.position = position
