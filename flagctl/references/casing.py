"""How people write a key as an identifier."""

from __future__ import annotations

import re
from typing import Final

_SEPARATORS: Final = re.compile(r"[-_.]+")


def words_of(key: str) -> list[str]:
    """Return the words of a key.

    >>> words_of("new-checkout.flow_2")
    ['new', 'checkout', 'flow', '2']
    """
    return [word for word in _SEPARATORS.split(key) if word]


def alias(key: str, casing: str) -> str | None:
    """Return a key in another casing; None for a key of one word, which would be found everywhere.

    >>> [alias("new-checkout", casing) for casing in ("camel", "pascal", "snake", "upper-snake", "kebab", "dot")]
    ['newCheckout', 'NewCheckout', 'new_checkout', 'NEW_CHECKOUT', 'new-checkout', 'new.checkout']
    """
    words = words_of(key)
    if len(words) < 2:
        return None
    if casing in {"camel", "pascal"}:
        capitals = [word[:1].upper() + word[1:] for word in words]
        return "".join([words[0], *capitals[1:]] if casing == "camel" else capitals)
    joined = {"snake": "_", "upper-snake": "_", "kebab": "-", "dot": "."}[casing].join(words)
    return joined.upper() if casing == "upper-snake" else joined
