"""Near-duplicates: rows whose lines share most of their character shingles.

MinHash with banding finds the candidates, the Jaccard measure of the shingles decides. Rows of one split may be alike;
no row of a training split may be like a row of a measuring split.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from blake3 import blake3

from scripts.probe.rows import Row

_SHINGLE = 5
_HASHES, _BANDS = 48, 16
_ALIKE = 0.8
_PRIME = np.uint64((1 << 61) - 1)


def shingles(text: str) -> frozenset[int]:
    """Return the hashed shingles of a line; case, digits and spaces do not count."""
    plain = re.sub(r"\d+", "0", re.sub(r"\s+", " ", text.lower()))
    parts = {plain[at : at + _SHINGLE] for at in range(max(1, len(plain) - _SHINGLE + 1))}
    return frozenset(int.from_bytes(blake3(part.encode("utf-8", "replace")).digest(7), "little") for part in parts)


def jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    """Return the share of shingles that both have."""
    return len(one & other) / max(1, len(one | other))


def without_lookalikes(rows: Sequence[Row], measured: Iterable[Row]) -> list[Row]:
    """Return the rows that are like none of the measured ones."""
    index: dict[tuple[int, bytes], list[frozenset[int]]] = defaultdict(list)
    for row in measured:
        own = shingles(row.text)
        for band in _bands(own):
            index[band].append(own)
    return [row for row in rows if not _has_like(shingles(row.text), index)]


def _has_like(own: frozenset[int], index: dict[tuple[int, bytes], list[frozenset[int]]]) -> bool:
    return any(jaccard(own, other) >= _ALIKE for band in _bands(own) for other in index.get(band, ()))


def _bands(own: frozenset[int]) -> list[tuple[int, bytes]]:
    values = np.fromiter(own, dtype=np.uint64, count=len(own))
    with np.errstate(over="ignore"):
        signature = ((values[:, None] * _TURNS[None, :] + _SHIFTS[None, :]) % _PRIME).min(axis=0)
    width = _HASHES // _BANDS
    return [(band, signature[band * width : (band + 1) * width].tobytes()) for band in range(_BANDS)]


_CHANCE = np.random.default_rng(7)
_TURNS = _CHANCE.integers(1, 1 << 60, _HASHES, dtype=np.uint64) | np.uint64(1)
_SHIFTS = _CHANCE.integers(0, 1 << 60, _HASHES, dtype=np.uint64)
