"""Extended attributes: `user.` names only.

Names in other spaces have constant answers that tell nothing about the host, so they are given without asking: the
agent's kernel looks for `security.capability` before every write.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from gmcp_sandbox.calls.arguments import FsSetattr, FsStat
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.fs.backing import fail, magic
from gmcp_sandbox.fs.nodes import Node
from gmcp_sandbox.fs.permits import spell

if TYPE_CHECKING:
    from gmcp_sandbox.fs.core import Core

_USER = b"user."
_LIST = FsStat("listxattr")


class Xattrs:
    """What can be done to extended attributes."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._table = core.table
        self._backing = core.backing
        self._permits = core.permits

    async def get(self, node_id: int, name: bytes, pid: int) -> bytes:
        """Return an attribute's value."""
        if not name.startswith(_USER):
            raise fail(errno.EOPNOTSUPP if name.startswith(b"system.") else errno.ENODATA)
        node = self._checked(node_id)
        brought = self._core.carry.brought_by(node)
        await self._permits.on_node(node, Tool.FS_STAT, FsStat("getxattr", spell(name)), pid, derived=brought)
        held = self._backing.hold(node)
        try:
            return os.getxattr(magic(held), name)
        finally:
            os.close(held)

    async def list(self, node_id: int, pid: int) -> list[bytes]:
        """Return the names of the attributes; a link, a pipe or a socket has none."""
        node = self._table.get(node_id)
        if node.place is None or not (node.is_file or node.is_dir):
            return []
        await self._permits.on_node(node, Tool.FS_STAT, _LIST, pid)
        held = self._backing.hold(node)
        try:
            names = [os.fsencode(name) for name in os.listxattr(magic(held))]
        finally:
            os.close(held)
        return [name for name in names if name.startswith(_USER)]

    async def set(self, node_id: int, name: bytes, value: bytes, pid: int) -> None:
        """Set an attribute."""
        node = await self._may_change(node_id, name, "setxattr", pid)
        self._core.carry.mark(node)
        held = self._backing.hold(node)
        try:
            os.setxattr(magic(held), name, value)
        finally:
            os.close(held)

    async def remove(self, node_id: int, name: bytes, pid: int) -> None:
        """Remove an attribute."""
        node = await self._may_change(node_id, name, "removexattr", pid)
        held = self._backing.hold(node)
        try:
            os.removexattr(magic(held), name)
        finally:
            os.close(held)

    def _checked(self, node_id: int) -> Node:
        node = self._table.get(node_id)
        if node.place is None or not (node.is_file or node.is_dir):
            raise fail(errno.ENODATA)
        return node

    async def _may_change(self, node_id: int, name: bytes, op: str, pid: int) -> Node:
        node = self._table.get(node_id)
        await self._core.identities.apply_to_links(node)
        args = FsSetattr(op, xattr=spell(name))  # type: ignore[arg-type]
        await self._permits.on_node(node, Tool.FS_SETATTR, args, pid)
        if node.place is None or not node.place.is_writable:
            raise fail(errno.EROFS)
        if not name.startswith(_USER) or not (node.is_file or node.is_dir):
            raise fail(errno.EOPNOTSUPP)
        return node
