"""JSON that is safe to look at: ASCII only, no control characters, one line.

Guarantees:
- Whatever a name holds (terminal escapes, bidirectional marks, bytes that are not UTF-8), the line holds printable
  ASCII; everything else is a `\\u` escape. A byte that is not UTF-8 is the lone surrogate U+DC80 to U+DCFF (PEP 383).
- Equal values give equal bytes.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

JSON = Any
"""Null, bool, int, float, str, or a list, tuple or str-keyed dict of these."""

_dumps = msgspec.json.Encoder().encode


def encode(value: JSON) -> bytes:
    """Return the canonical bytes of a value."""
    try:
        data = _dumps(value)
        if data.isascii() and b"\x7f" not in data:
            return data
    except UnicodeEncodeError:  # lone surrogates
        pass
    return _escaped(value).replace(b"\x7f", b"\\u007f")


def _escaped(value: JSON) -> bytes:
    plain = msgspec.to_builtins(value, str_keys=True)
    return json.dumps(plain, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")
