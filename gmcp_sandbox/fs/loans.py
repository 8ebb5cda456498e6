"""What the agent's kernel holds of one directory: names and attributes that it may keep unasked for some time.

- What is noted here covers what the kernel holds: a name is forgotten here only when its time is over, when the agent
  itself changes it (its kernel knows), or together with a notice that the kernel is to forget it.
- A name goes with a notice when it may be another's or gone; for other changes attributes alone go. The kernel cannot
  take a directory's name from those who stand in it without their noticing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gmcp_sandbox.fs.notices import Notices

if TYPE_CHECKING:
    from collections.abc import Callable

LENT_SECONDS = 300.0
"""For so long the kernel may keep what is watched."""
_MOST_TOLD = 16_384
"""Names of a directory."""
IN_MODIFY, IN_ATTRIB, IN_CLOSE_WRITE = 0x2, 0x4, 0x8
IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x40, 0x80, 0x100, 0x200
NAMES = IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
"""Events of inotify(7) by which a name comes, goes or becomes another's."""


class Told:
    """Names of one directory that its kernel was told of, with attributes, a moment ago: no listing need do it again.

    A loan without a promise: what the kernel has dropped since it asks for by itself.
    """

    __slots__ = ("_names", "_until")

    def __init__(self) -> None:
        self._names: dict[bytes, int] = {}
        self._until = 0.0

    def note(self, name: bytes, node: int, seconds: float) -> None:
        """Note that the kernel keeps a name and its attributes for so long, from now."""
        now = time.monotonic()
        if now >= self._until or len(self._names) >= _MOST_TOLD:
            self._names.clear()
            self._until = now + seconds
        self._names[name] = node

    def held(self, name: bytes) -> int | None:
        """Return the node id of a name that it was told of."""
        return self._names.get(name)

    @property
    def is_lasting(self) -> bool:
        """True while what is held need not be told again."""
        return time.monotonic() < self._until

    @property
    def count(self) -> int:
        """How many names it was told of since the last of them was out of date."""
        return len(self._names)

    def forget(self, name: bytes) -> None:
        """Tell a name again: it is another's now, or was read, which the kernel takes for a change."""
        self._names.pop(name, None)


class Watch:
    """What of one directory is lent, as long as its changes are told.

    Attributes:
        number: As inotify has it; -1: nothing is told of this directory.
        node: The directory's node id.
        shown: Whether the directory's own attributes are lent.
    """

    __slots__ = ("_end", "_expected", "_fresh", "_older", "_until", "_whole", "_worn", "node", "number", "shown")

    def __init__(self, number: int, node: int, end: Callable[[Watch], None]) -> None:
        self._end = end
        self.number = number
        self.node = node
        self.shown = False
        self._until = 0.0
        self._fresh: dict[bytes, int] = {}
        """Node ids of names that the kernel holds until `_until` at least."""
        self._older: dict[bytes, int] = {}
        """Of those that it may still hold."""
        self._whole: set[bytes] = set()
        """Those of both whose attributes it holds, too."""
        self._worn: set[bytes] = set()
        """Those of them that were read since: their time of access it asks for again."""
        self._expected: dict[bytes, int] = {}
        """Node ids of names that the agent itself moved here, until the host tells so."""

    def lend(self, name: bytes, node: int) -> None:
        """Note that the kernel may keep a name for `LENT_SECONDS`, from now."""
        now = time.monotonic()
        if now >= self._until:  # whatever was older is over by now
            self._whole.difference_update(self._older.keys() - self._fresh.keys())
            self._worn &= self._whole
            self._older, self._fresh = self._fresh, {}
            self._until = now + LENT_SECONDS
        self._fresh[name] = node

    def lend_attributes(self, name: bytes, node: int) -> bool:
        """Note that it may keep the attributes of a name, if it keeps that; return whether it may."""
        if self._fresh.get(name) != node:
            return False
        self._whole.add(name)
        self._worn.discard(name)
        return True

    def wear(self, name: bytes) -> None:
        """Note that the agent reads what has a name, which its kernel takes for a change of the time of access."""
        if name in self._whole:
            self._worn.add(name)

    def held(self, name: bytes) -> int | None:
        """Return the node id of a name that the kernel holds with its attributes for some time yet."""
        return self._fresh.get(name) if name in self._whole and name not in self._worn else None

    @property
    def is_lasting(self) -> bool:
        """True while what is held need not be told again."""
        return self.number >= 0 and time.monotonic() < self._until

    def forget(self, name: bytes) -> int | None:
        """Lend a name no more, of which its kernel knows that the agent changes it; return its node id, if it was."""
        self._whole.discard(name)
        self._worn.discard(name)
        node = self._older.pop(name, None)
        return self._fresh.pop(name, node) or self._expected.pop(name, None)

    def expect(self, name: bytes, node: int) -> None:
        """Lend a name once the host tells that it came here."""
        self._expected[name] = node

    def take_back(self, events: int, name: bytes, found: Notices) -> None:
        """Add what `events` make wrong, of a name or (b"") of the directory itself."""
        if events & NAMES:
            expected = self._expected.pop(name, None) if events & IN_MOVED_TO else None
            node = self.forget(name)
            if node is not None:
                found.attributes.append(node)
                found.names.append((self.node, name))
            if expected is not None:
                self.lend(name, expected)
        elif name in self._whole:
            self._whole.discard(name)
            self._worn.discard(name)
            found.attributes.append(self._fresh.get(name) or self._older[name])
        if self.shown and (events & NAMES or not name):
            self.shown = False
            found.attributes.append(self.node)

    def take_back_all(self, found: Notices) -> None:
        """Add all that is lent."""
        for name in {**self._older, **self._fresh, **self._expected}:
            self.take_back(IN_DELETE, name, found)
        self.take_back(IN_DELETE, b"", found)

    def end(self) -> None:
        """Watch no more: the directory is not known any more."""
        self._end(self)
