"""Batches of lines of like length, in an order that a seed decides."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence


def bucketed(lengths: Sequence[int], size: int, seed: int) -> Iterator[list[int]]:
    """Yield batches of indexes: lines of like length together, batches in random order."""
    chance = random.Random(seed)  # noqa: S311 - an order, no secret
    order = list(range(len(lengths)))
    chance.shuffle(order)
    pool = size * 40
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        part = sorted(order[start : start + pool], key=lambda index: lengths[index])
        batches.extend(part[at : at + size] for at in range(0, len(part), size))
    chance.shuffle(batches)
    yield from batches
