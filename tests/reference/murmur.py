"""MurmurHash3 x86 32 bit in plain arithmetic, and the bucket of a unit."""

from __future__ import annotations

from functools import cache, lru_cache

MASK = 0xFFFFFFFF


def murmur3_x86_32(data: bytes, seed: int) -> int:
    """Return the unsigned hash, after Austin Appleby's description of the algorithm."""
    h = seed
    whole = len(data) - len(data) % 4
    for at in range(0, whole, 4):
        h ^= _scramble(int.from_bytes(data[at : at + 4], "little"))
        h = _rotate(h, 13)
        h = (h * 5 + 0xE6546B64) & MASK
    tail = data[whole:]
    if tail:
        h ^= _scramble(int.from_bytes(tail, "little"))
    h ^= len(data)
    h ^= h >> 16
    h = (h * 0x85EBCA6B) & MASK
    h ^= h >> 13
    h = (h * 0xC2B2AE35) & MASK
    return h ^ (h >> 16)


def _scramble(k: int) -> int:
    k = (k * 0xCC9E2D51) & MASK
    k = _rotate(k, 15)
    return (k * 0x1B873593) & MASK


def _rotate(x: int, bits: int) -> int:
    return ((x << bits) | (x >> (32 - bits))) & MASK


@cache
def seed(salt: str) -> int:
    return murmur3_x86_32(salt.encode(), 0)


@lru_cache(maxsize=500_000)
def bucket(salt: str, unit: str) -> int:
    """Return the bucket, 0 to 99 999, of a unit (in its string form) under a salt."""
    return (murmur3_x86_32(unit.encode(), seed(salt)) * 100_000) >> 32


def unit_of_hash(salt: str, wanted: int) -> str:
    """Return an ASCII unit with exactly this hash under a salt: the last block of four bytes is solved for.

    Every step of the algorithm can be undone, so that edges of ranges need not be searched for.
    """
    h = wanted
    h ^= h >> 16
    h = (h * pow(0xC2B2AE35, -1, 2**32)) & MASK
    h ^= (h >> 13) ^ (h >> 26)
    h = (h * pow(0x85EBCA6B, -1, 2**32)) & MASK
    h ^= h >> 16
    h ^= 8  # the unit's length
    after = _rotate(((h - 0xE6546B64) * pow(5, -1, 2**32)) & MASK, 32 - 13)
    for number in range(10_000):
        first = f"{number:04}".encode()
        before = seed(salt) ^ _scramble(int.from_bytes(first, "little"))
        before = (_rotate(before, 13) * 5 + 0xE6546B64) & MASK
        k = ((after ^ before) * pow(0x1B873593, -1, 2**32)) & MASK
        k = (_rotate(k, 32 - 15) * pow(0xCC9E2D51, -1, 2**32)) & MASK
        last = k.to_bytes(4, "little")
        if all(0x20 < byte < 0x7F for byte in last):
            unit = (first + last).decode()
            assert murmur3_x86_32(unit.encode(), seed(salt)) == wanted
            return unit
    raise AssertionError("no printable unit has this hash")


def first_hash(bucket_number: int) -> int:
    """Return the smallest hash whose bucket this is."""
    return -(-(bucket_number << 32) // 100_000)
