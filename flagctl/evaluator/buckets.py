"""Where a unit falls: one seeded murmur3 hash, scaled to 100 000 buckets.

::

    seed(salt)         = murmur3_x86_32(utf8(salt), seed 0)
    bucket(salt, unit) = (murmur3_x86_32(utf8(unit), seed(salt)) * 100000) >> 32      # unsigned

Scaling by multiplication keeps the order of hashes, so "the bucket is below b" is the same as "the hash is below
:func:`threshold` of b"; compiled flags compare hashes and never compute a bucket.

>>> bucket("new-checkout-flow", "user-1")
19401
"""

from __future__ import annotations

from typing import Final

from mmh3 import hash as _murmur3

# mmh3 5.3 takes text as well as bytes, but a lone surrogate in text makes it read through a null pointer and ends the
# process. Text is therefore encoded here first, or known to be ASCII; never pass it unchecked.

BUCKETS: Final = 100_000
"""How many buckets there are; also 100 % in thousandths of a percent."""

NO_HASH: Final = 1 << 32
"""What :func:`unit_hash` answers for a value that is no unit: above every hash and every threshold."""


def seed(salt: str) -> int:
    """Return the hash seed of a salt, 0 … 2^32 - 1.

    Raises:
        UnicodeEncodeError: The salt has lone surrogates.
    """
    return _murmur3(salt.encode(), 0, signed=False)


def bucket(salt: str, unit: str) -> int:
    """Return the bucket of a unit's string form under a salt, 0 … 99 999.

    Raises:
        UnicodeEncodeError: Salt or unit have lone surrogates; :func:`unit_of` lets no such unit pass.
    """
    return (_murmur3(unit.encode(), seed(salt), signed=False) * BUCKETS) >> 32


def threshold(share: int) -> int:
    """Return the smallest hash whose bucket reaches `share`.

    A hash is below it exactly when its bucket is below the share.

    >>> threshold(0), threshold(100_000) == 1 << 32
    (0, True)
    """
    return -(-(share << 32) // BUCKETS)


def unit_of(value: object) -> str | None:
    """Return the string form of a unit, or None for a value that names no unit.

    Non-empty text of valid Unicode stands for itself and an integer for its decimal digits; everything else (booleans,
    floats, None, integers beyond Python's limit on digits) is no unit.
    """
    kind = type(value)
    if issubclass(kind, str):
        text = str.__str__(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            return None
        return text or None
    if issubclass(kind, int) and kind is not bool:
        try:
            return int.__repr__(value)
        except ValueError:
            return None
    return None


def unit_hash(value: object, seed: int) -> int:
    """Return the hash of the unit that a context value names, or `NO_HASH` if it names none."""
    unit = unit_of(value)
    return NO_HASH if unit is None else _murmur3(unit.encode(), seed, signed=False)
