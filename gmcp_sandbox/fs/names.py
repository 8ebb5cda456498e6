"""Operations on names: lookup, mkdir, mknod, symlink, link, unlink, rmdir.

Each looks the name up through the parent's descriptor, asks, and then acts on the same parent descriptor; the agent's
kernel holds the parent's lock meanwhile, so the name cannot change hands through the mount.
Names that the view fixes are found without asking and cannot be changed (EBUSY).
"""

from __future__ import annotations

import errno
import os
import stat as modes
from typing import TYPE_CHECKING

from gmcp_sandbox.calls.arguments import Arguments, FsCreate, FsDelete, FsStat
from gmcp_sandbox.calls.labels import Label, highest
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.fs.backing import fail, magic
from gmcp_sandbox.fs.nodes import Fixed, Node
from gmcp_sandbox.fs.permits import Spot, spell
from gmcp_sandbox.fs.stats import Stat
from gmcp_sandbox.fs.watching import forget
from gmcp_sandbox.policy.gitlinks import is_refused_link

if TYPE_CHECKING:
    from gmcp_sandbox.fs.core import Core

Found = tuple[Node, Stat]

_LOOKUP = FsStat("lookup")
_DELETE = {(kind, is_new): FsDelete(kind, is_new) for kind in ("file", "dir") for is_new in (False, True)}
_SPECIAL = {modes.S_IFREG: "file", modes.S_IFIFO: "fifo", modes.S_IFSOCK: "socket"}
_ABSENT = (errno.ENOENT, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EACCES)
"""What the host may answer for a name that it does not give; asked about and recorded like any other."""


class Names:
    """What can be done to names."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._table = core.table
        self._backing = core.backing
        self._permits = core.permits

    async def lookup(self, parent_id: int, name: bytes, pid: int) -> Found | None:
        """Return the node of a name, counted once for the kernel; None when nothing is there.

        Raises:
            OSError: not permitted, or not shown.
        """
        parent = self._table.get(parent_id)
        if parent.children is not None:
            fixed = await self._fixed(parent, name, pid)
            if fixed is not None:
                return fixed
        place = parent.place
        if place is None:
            raise fail(errno.ENOTDIR)
        path = self._permits.path_of(parent, name)
        try:
            found = self._backing.name_stat(parent, name)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
            await self._permits.on_path(Spot(parent, path, self._permits.labels.of(path)), Tool.FS_STAT, _LOOKUP, pid)
            if error.errno == errno.ENOENT:
                return None
            raise
        key = found.key
        known = place.nodes.get(key)
        label = self._permits.label_at(parent, name, path, known)
        await self._permits.on_path(Spot(parent, path, label), Tool.FS_STAT, _LOOKUP, pid)
        return self._deliver(parent, name, found, label)

    async def _fixed(self, parent: Node, name: bytes, pid: int) -> Found | None:
        """Return a fixed name's node; None when the mount must be asked.

        Raises:
            OSError: ENOENT, for what the view does not show.
        """
        assert parent.children is not None
        child = parent.children.get(name)
        if child is None:
            if parent.place is not None:
                return None
            raise await self._permits.outside(parent, name, Tool.FS_STAT, _LOOKUP, pid)
        if child.is_hidden:
            raise await self._permits.outside(parent, name, Tool.FS_STAT, _LOOKUP, pid)
        return child, self._core.tree.stat(child)

    def _deliver(self, parent: Node, name: bytes, found: Stat, label: Label) -> Found:
        node = self._table.intern(found, found.key, parent, name, label)
        node.lookups += 1
        return node, found

    async def may_make(self, parent: Node, name: bytes, args: Arguments, pid: int) -> Label:
        """Ask for a new name and return the label that the object gets.

        Raises:
            OSError: refused, or the view has something fixed there.
        """
        await self.check_free(parent, name, Tool.FS_CREATE, args, pid)
        path = self._permits.path_of(parent, name)
        labels = self._permits.labels
        label = labels.of_link(path) if isinstance(args, FsCreate) and args.kind == "symlink" else labels.of(path)
        await self._permits.on_path(Spot(parent, path, label), Tool.FS_CREATE, args, pid)
        self._core.budget.make(parent)
        return label

    async def check_free(self, parent: Node, name: bytes, tool: Tool, args: Arguments, pid: int) -> None:
        """Refuse names that the view fixes and directories that only the view has."""
        child = parent.children.get(name) if parent.children is not None else None
        if child is not None and not child.is_hidden:
            raise fail(errno.EEXIST if tool is Tool.FS_CREATE else errno.EBUSY)
        if parent.place is None or child is not None:
            raise await self._permits.outside(parent, name, tool, args, pid)

    def made(self, parent: Node, name: bytes, label: Label) -> Found:
        """Return the node of a name that was just made."""
        found = self._backing.name_stat(parent, name)
        return self._deliver(parent, name, found, label)

    async def mkdir(self, parent_id: int, name: bytes, mode: int, pid: int) -> Found:
        """Make a directory."""
        parent = self._table.get(parent_id)
        label = await self.may_make(parent, name, FsCreate("dir", mode & 0o7777), pid)
        os.mkdir(name, mode & 0o7777, dir_fd=self._backing.directory(parent))
        return self.made(parent, name, label)

    async def mknod(self, parent_id: int, name: bytes, mode: int, pid: int) -> Found:
        """Make a regular file, fifo or socket; devices are refused.

        Raises:
            OSError: EPERM for a device, or as any operation.
        """
        kind = _SPECIAL.get(modes.S_IFMT(mode))
        if kind is None:
            raise fail(errno.EPERM)
        bits = mode & 0o1777
        parent = self._table.get(parent_id)
        label = await self.may_make(parent, name, FsCreate(kind, bits), pid)  # type: ignore[arg-type]
        os.mknod(name, modes.S_IFMT(mode) | bits, dir_fd=self._backing.directory(parent))
        return self.made(parent, name, label)

    async def symlink(self, parent_id: int, name: bytes, target: bytes, pid: int) -> Found:
        """Make a symbolic link; a guarded name takes none, because what it leads to would not be judged.

        None stands in a git directory (`policy/gitlinks.py`).
        """
        parent = self._table.get(parent_id)
        path = self._permits.path_of(parent, name)
        escapes = self._permits.guard_for(path) is not None or is_refused_link(path, spell(target))
        args = FsCreate("symlink", 0o777, spell(target), lowers=escapes)
        label = await self.may_make(parent, name, args, pid)
        if escapes:
            raise fail(errno.EACCES)
        os.symlink(target, name, dir_fd=self._backing.directory(parent))
        made = self.made(parent, name, label)
        self._core.carry.mark(made[0])
        return made

    async def link(self, node_id: int, parent_id: int, name: bytes, pid: int) -> Found:
        """Give an object another name in the same mount; its label may not become lower by that."""
        node, parent = self._table.get(node_id), self._table.get(parent_id)
        if node.place is not parent.place or isinstance(node, Fixed):
            raise fail(errno.EXDEV)
        await self._core.identities.apply_to_links(node)
        target = self._permits.settle(node)
        path = self._permits.path_of(parent, name)
        labels = self._permits.labels
        label = labels.of_link(path) if node.is_symlink else labels.of(path)
        lowers = node.label.rank > label.rank or (self._permits.guard_for(path) is not None and not node.is_file)
        lowers = lowers or (node.is_symlink and is_refused_link(path, spell(self._backing.readlink(node))))
        args = FsCreate("hardlink", 0, target, lowers=lowers)
        await self.check_free(parent, name, Tool.FS_CREATE, args, pid)
        strictest = highest(node.label, label)
        content = self._core.whole_content(node) if self._permits.guard_for(path) is not None else None
        await self._permits.on_path(Spot(parent, path, strictest), Tool.FS_CREATE, args, pid, content=content)
        if lowers or (content is not None and content != self._core.whole_content(node)):
            raise fail(errno.EACCES)
        self._link(node, parent, name)
        self._table.add_name(node, parent, name)
        node.lookups += 1
        return node, self._backing.stat(node)

    def _link(self, node: Node, parent: Node, name: bytes) -> None:
        """Link exactly the object that was judged, through its descriptor."""
        held = self._backing.hold(node)
        try:
            os.link(magic(held), name, dst_dir_fd=self._backing.directory(parent), follow_symlinks=True)
        finally:
            os.close(held)

    async def unlink(self, parent_id: int, name: bytes, pid: int) -> None:
        """Remove a file's name."""
        await self._remove(parent_id, name, "file", pid)

    async def rmdir(self, parent_id: int, name: bytes, pid: int) -> None:
        """Remove an empty directory."""
        await self._remove(parent_id, name, "dir", pid)

    async def _remove(self, parent_id: int, name: bytes, kind: str, pid: int) -> None:
        parent = self._table.get(parent_id)
        await self.check_free(parent, name, Tool.FS_DELETE, _DELETE[kind, False], pid)
        assert parent.place is not None
        path = self._permits.path_of(parent, name)
        key = self._key(parent, name)
        args = _DELETE[kind, key is not None and key[2] >= self._core.started_ns]
        node = None if key is None else parent.place.nodes.get(key)
        label = self._permits.label_at(parent, name, path, node)
        await self._permits.on_path(Spot(parent, path, label), Tool.FS_DELETE, args, pid)
        if key is not None and self._key(parent, name) != key:
            raise fail(errno.ESTALE)  # another object than the one that was judged
        if node is not None and node.more is None:
            self._backing.pin(node)
        directory = self._backing.directory(parent)
        if kind == "dir":
            os.rmdir(name, dir_fd=directory)
        else:
            os.unlink(name, dir_fd=directory)
        forget(parent, name)
        if node is not None:
            self._table.drop_name(node, parent, name)

    def _key(self, parent: Node, name: bytes) -> tuple[int, int, int] | None:
        try:
            return self._backing.name_stat(parent, name).key
        except OSError:
            return None
