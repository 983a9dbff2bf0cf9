"""Random streams and hashes: every number of a simulation comes from its seed through one of these.

Each purpose, day and event has a stream of its own, so that adding a metric or an experiment leaves what was
drawn for the others as it was.
"""

import hashlib
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.simulation.types import FloatArray, IntArray

_TO_UNIT_INTERVAL = 2.0**-53


def stream(seed: int, purpose: str, *keys: str | int) -> np.random.Generator:
    """A generator that depends on the seed, the purpose and the keys alone."""
    words = [key if isinstance(key, int) else crc32(key.encode()) for key in (purpose, *keys)]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))


def unit_hash(unit_ids: np.ndarray, salt: str) -> FloatArray:
    """Keyed hash of unit ids, uniform in [0, 1): the assignment hash (SipHash-2-4, 53 bits kept)."""
    key = hashlib.blake2b(salt.encode(), digest_size=8).hexdigest()
    return (pd.util.hash_array(unit_ids, hash_key=key) >> np.uint64(11)) * _TO_UNIT_INTERVAL


def visit_hash(unit: IntArray, at: IntArray, salt: str) -> FloatArray:
    """Hash of unit number and visit time, uniform in [0, 1) (SplitMix64; Steele, Lea & Flood 2014)."""
    word = at.astype(np.uint64) ^ (unit.astype(np.uint64) << np.uint64(40)) ^ np.uint64(crc32(salt.encode()))
    word = word * np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = word ^ (word >> np.uint64(31))
    return (mixed >> np.uint64(11)).astype(np.float64) * _TO_UNIT_INTERVAL


def unit_mean_lognormal(normals: FloatArray, sigma: float) -> FloatArray:
    """Lognormal factors of mean 1 from standard normals."""
    return np.asarray(np.exp(sigma * normals - sigma * sigma / 2))


def pick(shares: np.ndarray, uniforms: FloatArray) -> IntArray:
    """Index of the category into which each uniform falls, categories taking up their shares in order."""
    edges = np.cumsum(shares)
    last = int(np.flatnonzero(shares)[-1])
    return np.minimum(np.searchsorted(edges / edges[-1], uniforms, side="right"), last)
