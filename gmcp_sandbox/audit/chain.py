"""The chain: each line carries a hash over the line's own bytes and the hash of the line before.

A line is a JSON object on one line whose last key is `hash`. The *body* is the line without that key and the closing
brace; `hash` is Blake3 over the previous hash (32 raw bytes) and the body. The first line follows `START`; the first line
of a later segment follows the last of the segment before.

Invariants:
- Changing, removing, adding or moving a line anywhere before the last breaks the chain at that place.
- The hash covers every byte of the line: `"hash":"` and what is around the digits is compared byte for byte.
"""

from __future__ import annotations

from blake3 import blake3

START = bytes(32)
TAIL = len(b',"hash":"') + 64 + len(b'"}\n')
"""Bytes that the hash adds to a body."""


def link(previous: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Return the hash of a body that follows `previous`, and the whole line."""
    digest = blake3(previous + body).digest()
    return digest, b'%b,"hash":"%b"}\n' % (body, digest.hex().encode())


def follow(previous: bytes, line: bytes) -> bytes | None:
    """Return the hash of a line if it follows `previous`, else None."""
    digest = blake3(previous + line[:-TAIL]).digest()
    if line[-TAIL:] != b',"hash":"%b"}\n' % digest.hex().encode():
        return None
    return digest


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
