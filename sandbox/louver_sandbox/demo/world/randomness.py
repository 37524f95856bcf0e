"""All randomness of the world, as pure functions of the seed.

Two kinds. A *stream* is a generator for one table group and one chunk: numpy's `SeedSequence` with the spawn key
(stream, chunk), which is what `SeedSequence.spawn` hands to its children, so any chunk can be made again
alone. A *hash* gives one subject the same number wherever it is asked for, without a table in memory: the
SplitMix64 finaliser (Steele, Lea, Flood 2014) over the subject's row number and a salt.
"""

import hashlib

import numpy as np

from louver_sandbox.demo.world.columns import Array

STREAMS = ("person", "firm", "plan", "registry", "economy", "work", "justice", "bank", "property", "dirt")


def stream(seed: int, name: str, *chunk: int) -> np.random.Generator:
    """The generator of one stream and chunk. Raises ValueError for a name not in STREAMS."""
    key = (STREAMS.index(name), *chunk)
    return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(seed, spawn_key=key)))


def salt(seed: int, label: str) -> int:
    """64 bits that depend on seed and label only."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{label}".encode()).digest()[:8], "big")


def mixed(seed: int, label: str, rows: Array) -> Array:
    """One uniform 64-bit number per row number."""
    x = np.asarray(rows).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt(seed, label))
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def uniform(seed: int, label: str, rows: Array) -> Array:
    """One number in [0, 1) per row number."""
    return (mixed(seed, label, rows) >> np.uint64(11)) * 2.0**-53


def logistic(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def choose(rng: np.random.Generator, weights: Array | tuple[float, ...] | list[float], size: int) -> Array:
    """`size` indices drawn with the weights (which need not add up to one)."""
    cumulative = np.cumsum(np.asarray(weights, dtype=np.float64))
    drawn = np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right")
    chosen: Array = np.minimum(drawn, len(cumulative) - 1)
    return chosen
