"""The chain: each line carries a hash over the line's own bytes and the hash of the line before.

A line is a JSON object on one line whose last key is `hash`. The *body* is the line without that key and the closing
brace; `hash` is Blake3 over the previous hash (32 raw bytes) and the body. The first line follows `START`; the first
line of a later segment follows the last of the segment before.

Invariants:
- Changing, removing, adding or moving a line anywhere before the last breaks the chain at that place.
- The hash covers every byte of the line: `"hash":"` and what is around the digits is compared byte for byte.
"""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Callable

from blake3 import blake3

START = bytes(32)
TAIL = len(b',"hash":"') + 64 + len(b'"}\n')
"""Bytes that the hash adds to a body."""


def linker() -> Callable[[bytes, bytes], tuple[bytes, bytes]]:
    """Return a function from the previous hash and a body to the hash of the body and the whole line.

    It keeps one hash object, which is a third faster than a new one for each line, and belongs to one thread.
    """
    state = blake3()
    reset, update, digest = state.reset, state.update, state.digest

    def link(previous: bytes, body: bytes) -> tuple[bytes, bytes]:
        reset()
        update(previous + body)
        own: bytes = digest()
        return own, b'%b,"hash":"%b"}\n' % (body, hexlify(own))

    return link


def follow(previous: bytes, line: bytes) -> bytes | None:
    """Return the hash of a line if it follows `previous`, else None."""
    digest = blake3(previous + line[:-TAIL]).digest()
    return digest if line[-TAIL:] == b',"hash":"%b"}\n' % hexlify(digest) else None


def claimed_hash(line: bytes) -> bytes | None:
    """Return the hash that a line states, whether it is right or not; None when it states none."""
    tail = line[-TAIL:]
    if len(tail) != TAIL or not tail.startswith(b',"hash":"') or not tail.endswith(b'"}\n'):
        return None
    digits = tail[9:73]
    try:
        return bytes.fromhex(digits.decode("ascii")) if digits == digits.lower() and b" " not in digits else None
    except ValueError:
        return None
