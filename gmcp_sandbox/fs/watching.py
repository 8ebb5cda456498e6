"""Let the agent's kernel remember names and attributes of the workspace while the host tells of changes (inotify(7)).

Other programs of the user change the workspace, too. A name that the kernel may keep for a second is asked for again at
each `git status`; one that it keeps for a minute would be wrong for as long. So a directory of which something is asked
for again is watched, and what rests in it is lent for `LENT_SECONDS`; a change of it is told within a tenth of one.

Guarantees:
- Nothing is lent before the directory is watched, nor when a change came in while the question was being judged.
- Nothing is lent that changed a moment ago, has several names (a change through another of them is not told), is
  private or secret, or lies on a file system that may be changed from elsewhere.
- When changes were lost (the kernel's queue overflowed), everything that was lent is taken back.
- Where nothing can be watched, everything is asked for as often as the zone says.

Two changes are never told: what another program of the host writes through a shared mapping that it keeps, and through
a hard link that it made meanwhile. Times and sizes are at most `LENT_SECONDS` old then; content is asked for at each
open.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import trio

from gmcp_sandbox import kernel
from gmcp_sandbox.calls.labels import PRIVATE
from gmcp_sandbox.fs.backing import Backing, magic
from gmcp_sandbox.fs.loans import IN_ATTRIB, IN_CLOSE_WRITE, IN_MODIFY, LENT_SECONDS, NAMES, Told, Watch
from gmcp_sandbox.fs.nodes import Name, Node
from gmcp_sandbox.fs.notices import KernelCaches, Notices, tell
from gmcp_sandbox.fs.stats import Key, Stat

_IN_Q_OVERFLOW, _IN_IGNORED, _IN_ONLYDIR = 0x4000, 0x8000, 0x0100_0000
_WANTED = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | NAMES | _IN_ONLYDIR
_EVENT = struct.Struct("=iIII")
"""struct inotify_event: watch, what happened, cookie, bytes of the name that follows."""

_REST_SECONDS = 2
"""What changed later than that is about to change again, often enough."""
_GATHER_SECONDS = 0.05
_SETTLE_SECONDS = 0.02
"""Whoever was answered before a change was read has taken the answer down by then, and can be told to forget it."""
_MANY = 8
"""Names of a directory that are looked up within a second: whoever does so goes through all of it, and comes again."""
_MOST = 8192
_LOCAL = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "tmpfs", "xfs", "zfs"})
"""File systems that only this kernel changes."""


class Spans(NamedTuple):
    """How long the kernel may keep attributes and the entry, in seconds."""

    attributes: float
    entry: float


class Watches:
    """The watches of one file system. Makes its inotify instance when the first is wanted.

    Attributes:
        stamp: Rises with every batch of changes; a reply that was judged across one lends nothing.
    """

    def __init__(self, backing: Backing, most: int = _MOST) -> None:
        self.stamp = 0
        self._backing = backing
        self._most = most
        self._fd = -1
        self._begun = trio.Event()
        self._watches: dict[int, Watch] = {}
        self._is_local: dict[int, bool] = {}
        self._astray = Notices([], [], [])
        """To be told with a rename of the agent's own, which the directories report, too."""

    def spans(self, node: Node, found: Stat, stamp: int, *, named: bool) -> Spans:
        """Return how long the kernel may keep a node that it is told of now.

        Args:
            node: Not one that the view fixes.
            found: What it is told.
            stamp: `stamp`, from before that was asked of the host.
            named: Whether it is told of the name, too; attributes alone are lent when the name is.
        """
        assert node.place is not None
        zone = node.place.zone
        watch = self._lender(node, found) if stamp == self.stamp else None
        if watch is None:
            return Spans(zone.attributes, zone.entry)
        if named:
            watch.lend(node.name, node.id)
        entry = LENT_SECONDS if named else zone.entry
        if node.is_dir:
            own = node.watch
            if own is None or own.number < 0:  # its times change with what lies in it
                return Spans(zone.attributes, entry)
            own.shown = True
        return Spans(LENT_SECONDS if watch.lend_attributes(node.name, node.id) else zone.attributes, entry)

    def _lender(self, node: Node, found: Stat) -> Watch | None:
        """Return the watch that may lend an object; begin to watch the directory of one that is asked for again."""
        parent = node.parent
        if parent is None or not _may_be_lent(node, parent, found):
            return None
        watch = parent.watch
        if watch is None:
            if node.lookups > 1 or (parent.told is not None and parent.told.count >= _MANY):
                self._begin(parent)
            return None
        is_at_rest = time.time() - found.ctime_s >= _REST_SECONDS
        return watch if watch.number >= 0 and is_at_rest else None

    def renamed(self, old: Name, new: Name, *, is_exchange: bool) -> None:
        """Follow a rename: what the agent's kernel held under the old name it holds under the new one."""
        moved, replaced = forget(*old), forget(*new)
        lent = [node for node in (moved, replaced) if node is not None]
        self._astray.attributes.extend(lent)  # times apart, it believes what it held of them
        if is_exchange and lent:
            self._astray.names.extend((parent.id, name) for parent, name in (old, new))
        elif moved is not None:
            self._follow(moved, *new)

    def _follow(self, moved: int, parent: Node, name: bytes) -> None:
        if parent.watch is not None and parent.watch.number >= 0:
            parent.watch.expect(name, moved)
        elif parent.watch is None and (watch := self._begin(parent)).number >= 0:
            watch.lend(name, moved)
        else:
            self._astray.names.append((parent.id, name))

    def _begin(self, directory: Node) -> Watch:
        """Watch a directory, if that can be done."""
        number = -1
        if len(self._watches) < self._most and self._may_watch(directory.key):
            try:
                path = magic(self._backing.directory(directory)).encode()
                number = kernel.inotify_add(self._instance(), path, _WANTED)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                    self._most = 0
        if number in self._watches:  # another node shows the same directory, and is told for both
            number = -1
        watch = directory.watch = Watch(number, directory.id, self.end)
        if number >= 0:
            self._watches[number] = watch
        return watch

    def _instance(self) -> int:
        if self._fd < 0:
            self._fd = kernel.inotify()
            self._most = min(self._most, _share())
            self._begun.set()
        return self._fd

    def _may_watch(self, key: Key | None) -> bool:
        if key is None:
            return False
        known = self._is_local.get(key[0])
        if known is None:
            kinds = _kinds(key[0])
            known = self._is_local[key[0]] = bool(kinds) and kinds <= _LOCAL
        return known

    def end(self, watch: Watch) -> None:
        """Give a watch back."""
        if self._watches.pop(watch.number, None) is not None:
            with contextlib.suppress(OSError):  # the directory is gone, and its watch with it
                kernel.inotify_remove(self._fd, watch.number)
            watch.number = -1

    async def run(self, caches: KernelCaches) -> None:
        """Take in changes and have the kernel forget what was lent of them, while the file system is served."""
        await self._begun.wait()
        while True:
            await trio.lowlevel.wait_readable(self._fd)
            await trio.sleep(_GATHER_SECONDS)
            found = self.take()
            if any(found):
                await trio.sleep(_SETTLE_SECONDS)
                await tell(caches, found)

    def take(self) -> Notices:
        """Return what the changes make wrong that were told of by now, some thousands at most."""
        found, self._astray = self._astray, Notices([], [], [])
        with contextlib.suppress(BlockingIOError):
            for number, events, name in _events(os.read(self._fd, 1 << 16)):
                self.stamp += 1
                if events & _IN_Q_OVERFLOW:
                    for watch in self._watches.values():
                        watch.take_back_all(found)
                elif (changed := self._watches.get(number)) is not None:
                    if events & _IN_IGNORED:
                        del self._watches[number]
                        changed.number = -1
                    changed.take_back(events, name, found)
        return found

    def close(self) -> None:
        """Give the instance back, and every watch with it."""
        self._watches.clear()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def note(node: Node, found: Stat, seconds: float) -> None:
    """Note that the kernel was told of a node by its name, with attributes, and keeps both for so long.

    Where changes are told it is noted for look-ups alone: many of them, and the directory is watched.
    """
    parent = node.parent
    if parent is None or seconds <= 0.0 or node.more is not None or (found.nlink > 1 and not node.is_dir):
        return
    if parent.told is None:
        parent.told = Told()
    parent.told.note(node.name, node.id, seconds)


def keeper_of(directory: Node) -> Told | Watch | None:
    """Return who knows which names of a directory its kernel holds; None: nobody does."""
    watch, told = directory.watch, directory.told
    if watch is not None and watch.is_lasting:
        return watch
    if watch is None and directory.place is not None and directory.place.zone.is_watched:
        return None  # its names, told again, are lent for long
    return told if told is not None and told.is_lasting else None


def forget(parent: Node, name: bytes) -> int | None:
    """Lend a name no more, if it was, in any directory; see `Watch.forget`."""
    if parent.told is not None:
        parent.told.forget(name)
    return None if parent.watch is None else parent.watch.forget(name)


def wear(node: Node) -> None:
    """Note that an object is read; see `Watch.wear`."""
    parent = node.parent
    if parent is None:
        return
    if parent.told is not None:
        parent.told.forget(node.name)
    if parent.watch is not None:
        parent.watch.wear(node.name)


def _may_be_lent(node: Node, parent: Node, found: Stat) -> bool:
    """Return whether a change of an object would be told of by a watch of its directory, and it is no secret."""
    has_one_name = node.more is None and (found.nlink == 1 or node.is_dir)
    is_beside = parent.key is not None and parent.key[0] == found.key[0]
    return has_one_name and is_beside and node.label.rank < PRIVATE.rank


def _events(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield watch, what happened and name of each event."""
    position = 0
    while position < len(data):
        watch, events, _cookie, length = _EVENT.unpack_from(data, position)
        position += _EVENT.size
        yield watch, events, data[position : position + length].rstrip(b"\0")
        position += length


def _share() -> int:
    """Return how many of the user's watches a session may take: others of his programs need them, too."""
    try:
        return int(Path("/proc/sys/fs/inotify/max_user_watches").read_text()) // 8
    except (OSError, ValueError):
        return 0


def _kinds(device: int) -> set[str]:
    """Return the types of the file systems that are mounted from a device."""
    shown = f"{device >> 32}:{device & 0xFFFF_FFFF}"
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return set()
    words = (line.partition(" - ") for line in mounts)
    return {kind.split(" ", 1)[0] for mount, _, kind in words if mount.split(" ", 3)[2] == shown}
