"""Bytes that are almost well-formed: seeds with pieces changed, doubled, cut out, or put where they do not belong."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_EDGES = b"\x00\x01\x09\x0a\x0d\x20\x2c\x3a\x3b\x7f\x80\xff"
_NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0x100, 0x3FFF, 0x4000, 0x7FFF, 0xFFFF)
LONGEST = 4096


def _flip(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    at = rng.randrange(len(data))
    data[at] ^= 1 << rng.randrange(8)


def _edge(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    data[rng.randrange(len(data))] = rng.choice(_EDGES)


def _insert(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = bytes((rng.choice(_EDGES),)) * rng.choice((1, 1, 2, 70))


def _remove(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 1, 2, 8, 64))]


def _number(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    at = rng.randrange(len(data))
    data[at : at + 2] = rng.choice(_NUMBERS).to_bytes(2, "big")


def _double(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    start = rng.randrange(len(data))
    piece = data[start : start + rng.randrange(1, 64)]
    at = rng.randrange(len(data) + 1)
    data[at:at] = piece


def _splice(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> None:
    other = rng.choice(others)
    start = rng.randrange(len(other))
    at = rng.randrange(len(data) + 1)
    data[at:at] = other[start : start + rng.randrange(1, 64)]


_WAYS: tuple[Callable[[random.Random, bytearray, Sequence[bytes]], None], ...] = (
    _flip,
    _edge,
    _insert,
    _remove,
    _number,
    _double,
    _splice,
)


def mutated(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Return one of the seeds, changed in a few places; sometimes bytes that never were one."""
    if rng.random() < 0.05:
        return rng.randbytes(rng.randrange(128))
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        if data:
            rng.choice(_WAYS)(rng, data, seeds)
    return bytes(data[:LONGEST])
