"""Attributes: getattr, setattr, access, readlink, statfs.

- Each attribute that a setattr request changes is one call of its own; all are permitted before the first is changed.
- A change goes through a descriptor of the object that was judged, never through its name.
- Set-id bits are never set on files: the mount is nosuid, and the host must not gain a set-id program.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import msgspec

from gmcp_sandbox.calls.arguments import FsSetattr, FsStat
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.fs.backing import fail, magic
from gmcp_sandbox.fs.nodes import Fixed, Node
from gmcp_sandbox.fs.stats import Stat

if TYPE_CHECKING:
    from gmcp_sandbox.fs.core import Core

_GETATTR = FsStat("getattr")
_ACCESS = FsStat("access")
_READLINK = FsStat("readlink")
_UTIMES = FsSetattr("utimes")


class Change(msgspec.Struct, frozen=True, gc=False):
    """What a setattr request wants; None leaves an attribute alone. Times are nanoseconds since the epoch."""

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    atime_ns: int | None = None
    mtime_ns: int | None = None

    @property
    def has_times(self) -> bool:
        """True when a time changes."""
        return self.atime_ns is not None or self.mtime_ns is not None

    @property
    def has_owner(self) -> bool:
        """True when an owner is named."""
        return self.uid is not None or self.gid is not None


class Attributes:
    """What can be asked of and done to an object's attributes."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._table = core.table
        self._backing = core.backing
        self._permits = core.permits

    async def getattr(self, node_id: int, pid: int) -> tuple[Node, Stat]:
        """Return an object's attributes; those of the view's own nodes without asking."""
        node = self._table.get(node_id)
        if isinstance(node, Fixed):
            return node, self._core.tree.stat(node)
        await self._permits.on_node(node, Tool.FS_STAT, _GETATTR, pid)
        found = self._backing.stat(node)
        node.size = found.size
        return node, found

    async def access(self, node_id: int, mode: int, pid: int) -> bool:
        """Return whether the host lets the caller do this to an object (`os.R_OK`, `os.W_OK`, `os.X_OK`).

        What the pipeline says to the doing shows when it is done.

        Raises:
            OSError: EROFS, when the tree takes no changes; EACCES, when it may not be asked.
        """
        node = self._table.get(node_id)
        if not isinstance(node, Fixed):
            await self._permits.on_node(node, Tool.FS_STAT, _ACCESS, pid)
        if mode & os.W_OK and (node.place is None or not node.place.is_writable):
            raise fail(errno.EROFS)
        if isinstance(node, Fixed) and node.fd < 0:
            return True
        held = self._backing.hold(node)
        try:
            return os.access(magic(held), mode)
        finally:
            os.close(held)

    async def readlink(self, node_id: int, pid: int) -> bytes:
        """Return where a symbolic link leads."""
        node = self._table.get(node_id)
        if isinstance(node, Fixed):
            if node.target is None:
                raise fail(errno.EINVAL)
            return node.target
        await self._permits.on_node(node, Tool.FS_STAT, _READLINK, pid, derived=self._core.carry.brought_by(node))
        return self._backing.readlink(node)

    def statfs(self) -> os.statvfs_result:
        """Return the file system numbers of the workspace, or of whatever the view shows first."""
        return os.statvfs(self._core.tree.home_fd)

    async def setattr(self, node_id: int, change: Change, handle: int | None, pid: int) -> tuple[Node, Stat]:
        """Change attributes and return what they are now."""
        node = self._table.get(node_id)
        if node.place is None:
            raise fail(errno.EROFS)
        await self._core.identities.apply_to_links(node)
        await self._ask(node, change, pid)
        if change.size is not None:
            await self._core.files.truncate(node, change.size, handle, pid)
        if not node.place.is_writable:
            raise fail(errno.EROFS)
        owner = self._core.ids.meant(change.uid, change.gid) if change.has_owner else None
        if owner is not None or change.mode is not None or change.has_times:
            self._change(node, change, owner)
        found = self._core.tree.stat(node) if isinstance(node, Fixed) else self._backing.stat(node)
        node.size = found.size
        return node, found

    async def _ask(self, node: Node, change: Change, pid: int) -> None:
        ask = self._permits.on_node
        if change.mode is not None:
            await ask(node, Tool.FS_SETATTR, FsSetattr("chmod", mode=change.mode & 0o7777), pid)
        if change.has_owner:
            await ask(node, Tool.FS_SETATTR, FsSetattr("chown", uid=change.uid, gid=change.gid), pid)
        if change.has_times and change.size is None:
            await ask(node, Tool.FS_SETATTR, _UTIMES, pid)

    def _change(self, node: Node, change: Change, owner: tuple[int, int] | None) -> None:
        held = self._backing.hold(node)
        try:
            path = magic(held)
            if owner is not None:
                os.chown(path, *owner)
            if change.mode is not None:
                os.chmod(path, change.mode & (0o1777 if not node.is_dir else 0o7777))
            if change.has_times:
                now = os.fstat(held)
                atime = now.st_atime_ns if change.atime_ns is None else change.atime_ns
                mtime = now.st_mtime_ns if change.mtime_ns is None else change.mtime_ns
                os.utime(path, ns=(atime, mtime))
        finally:
            os.close(held)
