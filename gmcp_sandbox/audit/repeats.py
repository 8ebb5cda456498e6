"""Which full records of a log's file a later, equal one may refer to.

Invariants: at most `REPEATS` records, and `REPEATS_ROOM` bytes by what their keys hold; one more empties the table,
which costs a few thousand full records and no bookkeeping at a hit.
"""

from __future__ import annotations

REPEATS = 65_536
"""How many full records can be referred to."""
REPEATS_ROOM = 24 << 20
"""Bytes that the table may cost: a record is short that hides a long secret word, its key is not."""


class Repeats:
    """The table of one file."""

    __slots__ = ("_held", "_seqs")

    def __init__(self) -> None:
        self._seqs: dict[object, int] = {}
        self._held = 0

    def __len__(self) -> int:
        return len(self._seqs)

    def of(self, key: object) -> int | None:
        """Return the number of the full record that says the same.

        Raises:
            TypeError: The key cannot be hashed.
        """
        return self._seqs.get(key)

    def remember(self, key: object, seq: int, size: int) -> None:
        """Let later ones refer to a record whose key holds so many bytes, unless that is more than there is room."""
        if size > REPEATS_ROOM:
            return
        if len(self._seqs) >= REPEATS or self._held + size > REPEATS_ROOM:
            self.clear()
        self._seqs[key] = seq
        self._held += size

    def clear(self) -> None:
        """Forget all: a new file cannot refer to the one before."""
        self._seqs.clear()
        self._held = 0
