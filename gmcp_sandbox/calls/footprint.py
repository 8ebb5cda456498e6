"""About how many bytes a remembered question keeps from being freed, so that memories can be bounded by them.

An agent chooses its paths and words: four kilobytes of a path, or a hundred of a word, cost a memory that counts its
entries alone a thousand times what was meant. Guarantees: pure; total over all arguments, those included that the
schema refuses; never less than the text that is held.
"""

from __future__ import annotations

from sys import getsizeof
from typing import Literal, get_origin

import msgspec

from gmcp_sandbox.calls.arguments import Arguments

ENTRY = 256
"""What an entry costs beside its text: its place in a table, the key, the answer."""
_CONSTANT = (int, bool)
_held: dict[type[Arguments], tuple[str, ...]] = {}
"""Which arguments of each kind hold anything of the agent's; most hold words of our own."""


def footprint(object: str, args: Arguments) -> int:
    """Return what remembering a call with this object and these arguments costs."""
    names = _held.get(type(args))
    if names is None:
        names = _held[type(args)] = _holding(type(args))
    size = ENTRY + getsizeof(object)
    for name in names:
        size += _size(getattr(args, name))
    return size


def _holding(kind: type[Arguments]) -> tuple[str, ...]:
    fields = msgspec.structs.fields(kind)
    return tuple(f.name for f in fields if f.type not in _CONSTANT and get_origin(f.type) is not Literal)


def _size(value: object) -> int:
    if isinstance(value, tuple | list | frozenset):
        return getsizeof(value) + sum(map(_size, value))
    return getsizeof(value)
