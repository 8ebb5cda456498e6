"""Directories: opendir, readdirplus, releasedir, fsyncdir.

- A handle lists the names as they were when it was (re)wound: offsets stay what they are while entries come and go, no
  name that was there all the time is missed or told twice.
- All open directories together hold a bounded amount of names: beyond it they cannot be read (ENFILE), unless one alone
  is that large.
- Fixed names stand in the listing of the directory that they lie in; hidden ones do not.
- An entry comes with attributes (and counts as a look-up) only when its label is the directory's own: what carries a
  higher label is looked up, and asked for, by itself. What the kernel holds already (`loans.py`), what the view fixes,
  and the directory itself and the one above come without.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from gmcp_sandbox.calls.arguments import FsList
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.fs.backing import fail
from gmcp_sandbox.fs.nodes import Fixed, Node
from gmcp_sandbox.fs.stats import Stat
from gmcp_sandbox.fs.watching import keeper_of, wear

if TYPE_CHECKING:
    from gmcp_sandbox.fs.core import Core

_OPEN = FsList("opendir")
_READ = FsList("readdir")
_MOST_BYTES = 128 << 20
_NAME_BYTES = 64
"""What a name costs beside its own bytes."""
_READABLE = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

Emit = Callable[[bytes, Node, Stat | None, int, bool], bool]
"""Put an entry into the reply: name, node that it is shown as, attributes (None: type and number alone), next offset,
and whether the kernel is to know the node by it (a look-up). False when the reply is full."""


class Listing:
    """An open directory."""

    __slots__ = ("names", "node", "pid", "size")

    def __init__(self, node: Node, pid: int) -> None:
        self.node = node
        self.pid = pid
        self.names: list[bytes] | None = None
        self.size = 0


class Directories:
    """What can be done to open directories."""

    def __init__(self, core: Core, *, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._core = core
        self._table = core.table
        self._backing = core.backing
        self._permits = core.permits
        self._listings: dict[int, Listing] = {}
        self._next = 1
        self._held = 0

    async def open(self, node_id: int, pid: int) -> int:
        """Open a directory and return the handle's number."""
        node = self._table.get(node_id)
        if not node.is_dir:
            raise fail(errno.ENOTDIR)
        await self._permits.on_node(node, Tool.FS_LIST, _OPEN, pid)
        wear(node)
        number = self._next
        self._next += 1
        self._listings[number] = Listing(node, pid)
        return number

    def _listing(self, number: int) -> Listing:
        try:
            return self._listings[number]
        except KeyError:
            raise fail(errno.EBADF) from None

    async def read(self, number: int, start: int, emit: Emit) -> None:
        """Put entries from offset `start` on into the reply until it is full."""
        listing = self._listing(number)
        node = listing.node
        await self._permits.on_node(node, Tool.FS_LIST, _READ, listing.pid)
        if listing.names is None or start == 0:
            self._take(listing)
        assert listing.names is not None
        keeper = keeper_of(node)
        for position in range(start, len(listing.names)):
            name = listing.names[position]
            held = None if keeper is None else keeper.held(name)
            known = None if held is None else self._table.known(held)
            if known is not None:
                if not emit(name, known, None, position + 1, False):
                    return
            elif not self._entry(node, name, position + 1, emit):
                return

    def _take(self, listing: Listing) -> None:
        """Take down the names as they are now.

        Raises:
            OSError: ENFILE, when that would be too much beside what other open directories hold.
        """
        names = self._names(listing.node)
        size = sum(map(len, names)) + _NAME_BYTES * len(names)
        others = self._held - listing.size
        if others and others + size > self._most_bytes:
            raise fail(errno.ENFILE)
        listing.names, listing.size = names, size
        self._held = others + size

    def _names(self, node: Node) -> list[bytes]:
        fixed = node.children or {}
        names = [b".", b"..", *(name for name, child in fixed.items() if not child.is_hidden)]
        if node.fd >= 0 or not isinstance(node, Fixed):
            fd = os.open(".", _READABLE, dir_fd=self._backing.directory(node))
            try:
                names.extend(name for name in map(os.fsencode, os.listdir(fd)) if name not in fixed)
            finally:
                os.close(fd)
        return names

    def _entry(self, node: Node, name: bytes, following: int, emit: Emit) -> bool:
        """Put one entry into the reply; one that is gone by now is passed over."""
        if name in (b".", b".."):
            where = node if name == b"." or node.parent is None else node.parent
            return emit(name, where, None, following, False)
        child = node.children.get(name) if node.children is not None else None
        if child is not None:
            return emit(name, child, None, following, False)
        try:
            found = self._backing.name_stat(node, name)
        except OSError:
            return True
        assert node.place is not None
        known = node.place.nodes.get(found.key)
        label = self._permits.label_at(node, name, self._permits.path_of(node, name), known)
        if label.rank > node.label.rank:
            return emit(name, node, found, following, False)
        known = self._table.intern(found, found.key, node, name, label)
        known.lookups += 1
        if emit(name, known, found, following, True):
            return True
        known.lookups -= 1
        self._table.release(known)
        return False

    def release(self, number: int) -> None:
        """Close a handle."""
        listing = self._listings.pop(number, None)
        if listing is not None:
            self._held -= listing.size

    async def fsync(self, number: int) -> None:
        """Bring a directory to the disk."""
        node = self._listing(number).node
        if node.place is None or not node.place.is_writable:
            return
        fd = os.open(".", _READABLE, dir_fd=self._backing.directory(node))
        try:
            await self._core.in_thread(os.fsync, fd)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Close every handle."""
        self._listings.clear()
        self._held = 0
