"""Counter-based noise in integers: the value at any index, alone, the same on every machine and Python.

Nothing here uses floating point for a result, so no libm, BLAS or compiler can change a candle.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from math import isqrt

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)

FRACTION_BITS = 24
"""Logarithms of prices are integers of 2^-24 octaves."""

_TABLE_BITS = 12


def seed_of(name: str) -> int:
    """The 64-bit seed of a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def words(seed: int, channel: int, index: Ints) -> Words:
    """One 64-bit word an index (splitmix64's finaliser over the counter)."""
    start = (seed + channel * 0xD1342543DE82EF95) & 0xFFFFFFFFFFFFFFFF
    x = index.astype(np.uint64) * GOLDEN + np.uint64(start)
    x ^= x >> np.uint64(30)
    x *= FIRST
    x ^= x >> np.uint64(27)
    x *= SECOND
    x ^= x >> np.uint64(31)
    return x


def uniform(seed: int, channel: int, index: Ints) -> Ints:
    """0 … 65535, evenly."""
    return (words(seed, channel, index) >> np.uint64(48)).astype(np.int64)


def bell(seed: int, channel: int, index: Ints) -> Ints:
    """About -131072 … 131072 with a standard deviation of 37837: the sum of four 16-bit draws."""
    word = words(seed, channel, index)
    mask = np.uint64(0xFFFF)
    total = (
        (word & mask) + ((word >> np.uint64(16)) & mask) + ((word >> np.uint64(32)) & mask) + (word >> np.uint64(48))
    )
    return np.asarray(total.astype(np.int64) - 131_070)


def smooth(seed: int, channel: int, index: Ints, octave: int) -> Ints:
    """Bell noise on a lattice of 2^octave indices, linear between its points; the lattice is shifted by the seed.

    `index` must be ascending: only the lattice points it spans are drawn.
    """
    if octave == 0:
        return bell(seed, channel, index)
    phase = (seed >> (channel % 32)) & ((1 << octave) - 1)
    shifted = index + phase
    cell = shifted >> octave
    first, last = int(cell[0]), int(cell[-1])
    lattice = bell(seed, channel, np.arange(first, last + 2, dtype=np.int64))
    at = cell - first
    inside = shifted & ((1 << octave) - 1)
    left = lattice[at]
    between: Ints = left + (((lattice[at + 1] - left) * inside) >> octave)
    return between


def walk(seed: int, index: Ints, amplitude: int, octaves: range) -> Ints:
    """A sum of smooth noises whose sizes grow with the square root of their period: looks like a random walk.

    `amplitude` is the size of octave 0 in 2^-24 octaves of price.
    """
    total = np.zeros(len(index), dtype=np.int64)
    for octave in octaves:
        size = isqrt((amplitude * amplitude) << octave)
        total += (smooth(seed, 64 + octave, index, octave) * size) >> 17
    return total


@lru_cache(maxsize=1)
def _powers() -> Ints:
    """2^(i/4096) in 2^-30, i = 0 … 4096, by integer square roots."""
    scale = 1 << 200
    roots = [2 * scale]
    for _ in range(_TABLE_BITS):
        roots.append(isqrt(roots[-1] * scale))
    table = []
    for i in range((1 << _TABLE_BITS) + 1):
        value = scale
        for bit in range(_TABLE_BITS + 1):
            if i >> (_TABLE_BITS - bit) & 1:
                value = value * roots[bit] // scale
        table.append(value >> 170)
    return np.array(table, dtype=np.int64)


def times_power_of_two(base: int, exponent: Ints) -> Ints:
    """`base` x 2^(exponent / 2^24) for exponents of at most six octaves either way; `base` under 2^26."""
    limited = np.clip(exponent, -6 << FRACTION_BITS, (6 << FRACTION_BITS) - 1)
    whole = limited >> FRACTION_BITS
    rest = limited & ((1 << FRACTION_BITS) - 1)
    step = rest >> (FRACTION_BITS - _TABLE_BITS)
    inside = rest & ((1 << (FRACTION_BITS - _TABLE_BITS)) - 1)
    table = _powers()
    low = table[step]
    mantissa = low + (((table[step + 1] - low) * inside) >> (FRACTION_BITS - _TABLE_BITS))
    result: Ints = (base * mantissa) >> (30 - whole)
    return result
