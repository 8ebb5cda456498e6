"""Open files: open, create, read, write, truncate by handle, fsync, release.

- A handle's descriptor refers to exactly the object that was judged at open; every read and write is one more call.
- What is opened to be run is `programs.py`'s to ask for.
- Truncation happens after the decision, never by the open itself.
- A file with a guard (`Permits.guard_for`) is judged on the whole content that it would have, at most 1 MiB; what was
  judged is what the write makes of it, or it is judged again.
- Set-id bits go when a file is opened for writing: the kernel leaves that to us.
- What is written after a host may have sent something is read for orders to a model first (`monitor/arrivals.py`).
- What is written after private or secret files were read is marked first (`carry.py`).
- fsync and release are no effects of their own: the open's grant covers them.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from gmcp_sandbox.calls.arguments import Arguments, FsCreate, FsRead, FsWrite
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.fs.backing import fail
from gmcp_sandbox.fs.names import Found
from gmcp_sandbox.fs.nodes import Fixed, Node
from gmcp_sandbox.fs.stats import stat_fd
from gmcp_sandbox.fs.watching import wear
from gmcp_sandbox.monitor.arrivals import Source
from gmcp_sandbox.pipeline.orders import KEPT

if TYPE_CHECKING:
    from gmcp_sandbox.fs.core import Core

EXEC = 0x20
"""The kernel's __FMODE_EXEC among the open flags: the file is opened to be run."""

_ROUNDS = 8

_READ_OPEN = FsRead("open")
_READ = FsRead("read")
_WRITE = FsWrite("write")
_APPEND = FsWrite("write", append=True)
_WRITE_OPEN = {
    (append, cut): FsWrite("open", append=append, truncate=cut) for append in (False, True) for cut in (False, True)
}


class Handle:
    """An open file.

    Attributes:
        fd: On the host object.
        node: Whose file it is.
        pid: Who opened it; reads and writes carry no process of their own.
        is_append: Whether writes go to the end, wherever that is by then.
        tail: The last bytes that were written in a row, and the offset where they end: patterns may straddle writes.
    """

    __slots__ = ("end", "fd", "is_append", "is_writable", "node", "pid", "tail")

    def __init__(self, fd: int, node: Node, flags: int, pid: int) -> None:
        self.fd = fd
        self.pid = pid
        self.node = node
        self.is_writable = flags & os.O_ACCMODE != os.O_RDONLY
        self.is_append = bool(flags & os.O_APPEND)
        self.tail = b""
        self.end = -1


class Files:
    """What can be done to open files."""

    def __init__(self, core: Core, most: int) -> None:
        self._core = core
        self._most = most
        self._table = core.table
        self._backing = core.backing
        self._permits = core.permits
        self._handles: dict[int, Handle] = {}
        self._next = 1

    def __len__(self) -> int:
        return len(self._handles)

    def handle(self, number: int) -> Handle:
        """Return an open file.

        Raises:
            OSError: EBADF.
        """
        try:
            return self._handles[number]
        except KeyError:
            raise fail(errno.EBADF) from None

    def _check_room(self) -> None:
        """Leave the supervisor descriptors of its own, however many files the agent opens."""
        if len(self._handles) >= self._most:
            raise fail(errno.ENFILE)

    def _keep(self, fd: int, node: Node, flags: int, pid: int) -> int:
        number = self._next
        self._next += 1
        handle = self._handles[number] = Handle(fd, node, flags, pid)
        if node.handles is None:
            node.handles = [handle]
        else:
            node.handles.append(handle)
        return number

    async def open(self, node_id: int, flags: int, pid: int) -> tuple[int, Node]:
        """Open a file and return the number of the handle, and the node.

        Raises:
            OSError: not permitted, or the host refuses.
        """
        node = self._table.get(node_id)
        if not node.is_file:
            raise fail(errno.ENXIO if not node.is_dir else errno.EISDIR)
        self._check_room()
        access = flags & os.O_ACCMODE
        if access != os.O_RDONLY and (node.place is None or not node.place.is_writable):
            await self._ask(node, flags, pid)
            raise fail(errno.EROFS)
        try:
            fd = self._backing.open(node, access)
        except PermissionError:
            await self._ask(node, flags, pid)  # what the host refuses was attempted all the same, and is recorded
            raise
        try:
            await self._admit(fd, node, flags, pid)
        except BaseException:
            os.close(fd)
            raise
        wear(node)
        return self._keep(fd, node, flags, pid), node

    async def _admit(self, fd: int, node: Node, flags: int, pid: int) -> None:
        """Ask for an open file, and then do to it what the open was to do."""
        found = stat_fd(fd)
        if not found.is_file:
            raise fail(errno.EACCES)
        if found.nlink > 1:
            await self._core.identities.apply(node)
        if flags & EXEC:
            await self._core.programs.admit(fd, node, found, pid, self._core.carry.brought_by(node))
            return
        await self._ask(node, flags, pid)
        if flags & os.O_ACCMODE == os.O_RDONLY:
            return
        if found.is_set_id:
            os.fchmod(fd, found.mode & 0o1777)
        if flags & os.O_TRUNC:
            os.ftruncate(fd, 0)
            node.size = 0

    async def _ask(self, node: Node, flags: int, pid: int) -> None:
        """Ask for every right that the open would give."""
        access = flags & os.O_ACCMODE
        brought = self._core.carry.brought_by(node)
        if flags & EXEC:
            await self._core.programs.attempt(node, pid, brought)
            return
        if access in (os.O_RDONLY, os.O_RDWR):
            await self._permits.on_node(node, Tool.FS_READ, _READ_OPEN, pid, derived=brought)
        if access in (os.O_WRONLY, os.O_RDWR):
            args: Arguments = _WRITE_OPEN[bool(flags & os.O_APPEND), bool(flags & os.O_TRUNC)]
            await self._permits.on_node(node, Tool.FS_WRITE, args, pid)

    async def create(self, parent_id: int, name: bytes, mode: int, flags: int, pid: int) -> tuple[int, Found]:
        """Make a file and open it; a file that is there already is opened, unless O_EXCL forbids."""
        parent = self._table.get(parent_id)
        self._check_room()
        names = self._core.names
        try:
            label = await names.may_make(parent, name, FsCreate("file", mode & 0o1777), pid)
            wanted = flags & os.O_ACCMODE | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(name, wanted, mode & 0o1777, dir_fd=self._backing.directory(parent))
        except FileExistsError:
            if flags & os.O_EXCL:
                raise
            return await self._open_existing(parent, name, flags, pid)
        found = stat_fd(fd)
        node = self._table.intern(found, found.key, parent, name, label)
        node.lookups += 1
        return self._keep(fd, node, flags, pid), (node, found)

    async def _open_existing(self, parent: Node, name: bytes, flags: int, pid: int) -> tuple[int, Found]:
        found = await self._core.names.lookup(parent.id, name, pid)
        if found is None:
            raise fail(errno.ENOENT)
        node = found[0]
        try:
            number, _ = await self.open(node.id, flags, pid)
        except BaseException:
            self._table.forget(node.id, 1)
            raise
        return number, (node, self._backing.stat(node))

    async def read(self, number: int, offset: int, length: int) -> bytes:
        """Read bytes."""
        handle = self.handle(number)
        node = handle.node
        extent = (offset, length)
        brought = self._core.carry.brought_by(node)
        await self._permits.on_node(node, Tool.FS_READ, _READ, handle.pid, extent=extent, derived=brought)
        if self._core.revocation.is_pending:
            await self._core.revocation.settle_read(node, brought)
        return os.pread(handle.fd, length, offset)

    async def write(self, number: int, offset: int, data: bytes) -> int:
        """Write bytes and return how many."""
        handle = self.handle(number)
        if not handle.is_writable:
            raise fail(errno.EBADF)
        node = handle.node
        await self._read_arrival(handle, offset, data)
        args = _APPEND if handle.is_append else _WRITE
        extent = (offset, len(data))
        for _ in range(_ROUNDS):
            path, guard = self._permits.settle(node), node.guard
            content = data if handle.end != offset else handle.tail + data
            if guard is not None:
                content = self._core.prospective(node, offset, data)
            await self._permits.on_node(node, Tool.FS_WRITE, args, handle.pid, extent=extent, content=content)
            if self._permits.settle(node) == path and (
                guard is None or content == self._core.prospective(node, offset, data)
            ):
                return self._write(handle, offset, data)
        raise fail(errno.EACCES)

    async def _read_arrival(self, handle: Handle, offset: int, data: bytes) -> None:
        """Look for orders to a model in what is written, where it may come from the network."""
        arrivals = self._core.arrivals
        if arrivals is not None and arrivals.reads_files:
            before, behind = self._around(handle, offset, offset + len(data))
            text = before + data + behind
            await arrivals.look(text, len(before), Source.FILE, self._permits.settle(handle.node))

    def _around(self, handle: Handle, start: int, end: int) -> tuple[bytes, bytes]:
        """Return what will stand before and behind a write: of one that goes on, we know; else the file does."""
        node = handle.node
        if handle.end == start == node.size and node.handles == [handle]:
            return handle.tail, b""
        start = max(start, node.size) if handle.is_append else start
        if not start and end >= node.size:
            return b"", b""
        try:
            fd = self._backing.open(node, os.O_RDONLY)
        except OSError:  # a file that may be written and not read: its own writes are all that is known
            return handle.tail if handle.end == start else b"", b""
        try:
            least = max(0, start - KEPT)
            return os.pread(fd, start - least, least), os.pread(fd, KEPT, end)
        finally:
            os.close(fd)

    def _write(self, handle: Handle, offset: int, data: bytes) -> int:
        node = handle.node
        self._core.budget.write(node, len(data))
        self._core.carry.mark(node)
        if handle.is_append and offset >= node.size and node.guard is None:
            done = os.pwritev(handle.fd, [data], offset, os.RWF_APPEND)
        else:
            done = os.pwrite(handle.fd, data, offset)
        end = offset + done
        if end > node.size:
            node.size = end
        before = handle.tail if handle.end == offset and done < KEPT else b""
        handle.tail = (before + data[max(0, done - KEPT) : done])[-KEPT:]
        handle.end = end
        return done

    async def truncate(self, node: Node, size: int, number: int | None, pid: int) -> None:
        """Cut a file, or extend it by a hole."""
        if not node.is_file:
            raise fail(errno.EISDIR if node.is_dir else errno.EINVAL)
        args = FsWrite("truncate", truncate=size == 0)
        for _ in range(_ROUNDS):
            path = self._permits.settle(node)
            content = self._core.resized(node, size) if node.guard is not None else None
            await self._permits.on_node(node, Tool.FS_WRITE, args, pid, extent=(size, 0), content=content)
            if node.place is None or not node.place.is_writable:
                raise fail(errno.EROFS)
            if self._permits.settle(node) == path and (content is None or content == self._core.resized(node, size)):
                self._truncate(node, size, number)
                return
        raise fail(errno.EACCES)

    def _truncate(self, node: Node, size: int, number: int | None) -> None:
        handle = self._handles.get(number) if number is not None else None
        if handle is not None and handle.is_writable and handle.node is node:
            os.ftruncate(handle.fd, size)
        else:
            fd = self._backing.open(node, os.O_WRONLY)
            try:
                os.ftruncate(fd, size)
                found = stat_fd(fd)
                if found.is_set_id:
                    os.fchmod(fd, found.mode & 0o1777)
            finally:
                os.close(fd)
        node.size = size

    async def fsync(self, number: int, data_only: bool) -> None:
        """Bring a file to the disk."""
        handle = self.handle(number)
        await self._core.in_thread(os.fdatasync if data_only else os.fsync, handle.fd)

    def release(self, number: int) -> None:
        """Close a handle."""
        handle = self._handles.pop(number, None)
        if handle is None:
            return
        node = handle.node
        assert node.handles is not None
        node.handles.remove(handle)
        if not node.handles:
            node.handles = None
            if node.parent is None and node.lookups and node.fd < 0 and not isinstance(node, Fixed):
                self._backing.adopt(node, handle.fd)
                return
        os.close(handle.fd)
        self._table.release(node)

    def close(self) -> None:
        """Close every handle."""
        for handle in self._handles.values():
            os.close(handle.fd)
            handle.node.handles = None
        self._handles.clear()
