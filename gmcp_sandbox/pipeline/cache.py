"""What was answered before, for one epoch.

Invariants:
- An entry is used only in the epoch in which it was made: another epoch than the last one empties the memory first.
- At most `limit` entries, and `room` bytes by `footprint`: one more empties the memory. That costs a few thousand
  misses in a session of many files, and no bookkeeping on a hit.
- The key is (tool, object, arguments, label). Offsets, lengths, content, time and process are not in it, so nothing
  that depends on them may be in an entry.
"""

from __future__ import annotations

import msgspec

from gmcp_sandbox.calls.arguments import Arguments
from gmcp_sandbox.calls.footprint import footprint
from gmcp_sandbox.calls.labels import Label
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Outcome, Verdict

Key = tuple[Tool, str, Arguments, Label]
ROOM = 24 << 20
"""Bytes; what 60,000 questions about paths of usual length cost."""


class Judgement(msgspec.Struct, frozen=True, gc=False):
    """What the layers say so far.

    Attributes:
        verdicts: In the order of the layers.
        outcome: ALLOW or DENY when all is said; ASK while a gate or an approver has to answer.
        epoch: Of the state that was judged under.
        needs_probe: The gate is to be asked next; `Pipeline.resume` goes on with its answer.
        cached: The verdicts, but for rate, are remembered ones.
        is_notable: Allowed, but the session is to take note: it counts such calls, a pattern was hit, or a principle
            demotes.
    """

    verdicts: tuple[Verdict, ...]
    outcome: Outcome
    epoch: int
    needs_probe: bool = False
    cached: bool = False
    is_notable: bool = False


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One remembered answer.

    Attributes:
        judgement: As it is given out when rate allows.
        rate_at: Index of rate's verdict; -1 when the call was denied before rate is asked.
        needs_content: The prefilter's verdict stands only for calls whose content it has judged.
        is_probed: The gate has judged, so a call that brings content must be judged anew.
        is_volatile: A principle reads what changes from call to call: the constitution is asked on every call.
    """

    judgement: Judgement
    rate_at: int
    needs_content: bool = False
    is_probed: bool = False
    is_volatile: bool = False


class DecisionCache:
    """A bounded memory of one epoch."""

    __slots__ = ("_entries", "_epoch", "_held", "_limit", "_room")

    def __init__(self, limit: int, room: int = ROOM) -> None:
        self._limit = limit
        self._room = room
        self._held = 0
        self._epoch = 0
        self._entries: dict[Key, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key, epoch: int) -> Entry | None:
        """Return what is remembered under this key in this epoch.

        Raises:
            TypeError: The key cannot be hashed.
        """
        if epoch != self._epoch:
            self._empty()
            self._epoch = epoch
        return self._entries.get(key)

    def put(self, key: Key, epoch: int, entry: Entry) -> None:
        """Remember an entry, unless its epoch is over or it is larger than the memory."""
        size = footprint(key[1], key[2])
        if epoch != self._epoch or self._limit <= 0 or size > self._room:
            return
        if len(self._entries) >= self._limit or self._held + size > self._room:
            self._empty()
        if key not in self._entries:
            self._held += size
        self._entries[key] = entry

    def _empty(self) -> None:
        self._entries.clear()
        self._held = 0
