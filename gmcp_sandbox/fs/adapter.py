"""The one module that knows pyfuse3: requests in, replies out.

- Every handler of `pyfuse3.Operations` turns into one operation of `fs/`, which knows nothing of the transport.
- Documented boundary: an `OSError` becomes its errno; any other exception is our own fault: it is logged, the
  session is told (`failed`), and the request is answered EIO. No handler lets an exception out, because that would
  end the service and leave the agent hanging.
- Look-up counts rise exactly with the replies that carry a node.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

import pyfuse3
import trio
from pyfuse3 import FUSEError

from gmcp_sandbox.errors import SandboxError
from gmcp_sandbox.fs.attributes import Change
from gmcp_sandbox.fs.core import Core
from gmcp_sandbox.fs.entries import Entry
from gmcp_sandbox.fs.nodes import Fixed, Node
from gmcp_sandbox.fs.polling import poll_first
from gmcp_sandbox.fs.stats import Stat
from gmcp_sandbox.fs.tree import FOREVER
from gmcp_sandbox.fs.watching import note

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_P = ParamSpec("_P")
Failed = Callable[[Exception], None]

_NO_ATTRIBUTES = (0,) * 12 + (0.0, 0.0)


def _answer(
    handler: Callable[Concatenate[Adapter, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[Adapter, _P], Coroutine[Any, Any, _T]]:
    """Turn what a handler raises into what the kernel understands."""

    async def answered(self: Adapter, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return await handler(self, *args, **kwargs)
        except OSError as error:
            raise FUSEError(error.errno or errno.EIO) from None
        except FUSEError:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of the module's docstring
            self.fail(error)
            raise FUSEError(errno.EIO) from None

    return answered


class Adapter(pyfuse3.Operations):
    """Serves one `Core` to the kernel."""

    supports_dot_lookup = False
    enable_writeback_cache = False
    enable_acl = False

    def __init__(self, core: Core, failed: Failed) -> None:
        super().__init__()
        self._core = core
        self._failed = failed
        self._entry = Entry(pyfuse3.EntryAttributes)
        self._lookup = core.names.lookup

    def fail(self, error: Exception) -> None:
        """Tell the session of a fault; one of our own is logged, too."""
        if not isinstance(error, SandboxError):
            _log.error("a file system request failed", exc_info=error)
        self._failed(error)

    # -- replies

    def _fill(self, node: Node, found: Stat, counted: bool = True, *, named: bool = True, stamp: int = -1) -> Any:
        """Return the reply that describes an object.

        Args:
            counted: Whether the kernel gets its node id.
            named: Whether the reply is about the name, too.
            stamp: Of the watches, from before `found` was asked for; -1: just now.
        """
        (_, blksize, nlink, uid, gid, mode, ino, size, blocks, a_s, a_ns, _, _, c_s, c_ns, m_s, m_ns,
         r_major, r_minor, d_major, d_minor) = found  # fmt: skip
        core = self._core
        place = node.place
        if place is None:
            attributes_valid = entry_valid = FOREVER
        else:
            zone = place.zone
            if isinstance(node, Fixed):
                attributes_valid, entry_valid = zone.attributes, FOREVER
            elif zone.is_watched and counted:
                watches = core.watches
                judged_at = watches.stamp if stamp < 0 else stamp
                attributes_valid, entry_valid = watches.spans(node, found, judged_at, named=named)
            else:
                attributes_valid, entry_valid = zone.attributes, zone.entry
            if named and counted and (stamp >= 0 or not zone.is_watched):
                note(node, found, zone.entry)
            ids = core.ids
            uid = ids.shown(uid)
            gid = ids.shown(gid)
            ino = core.shown_number(d_major << 32 | d_minor, ino)
        rdev = os.makedev(r_major, r_minor) if r_major or r_minor else 0
        entry = self._entry
        entry.fill(node.id if counted else 0, ino, mode, nlink, uid, gid, rdev, size, blksize, blocks,
                   a_s, a_ns, m_s, m_ns, c_s, c_ns, attributes_valid, entry_valid)  # fmt: skip
        return entry.object

    def _name_only(self, node: Node) -> Any:
        """Return the reply that says of an object what stands in a directory: its type and number."""
        number = node.id
        if node.key is not None:
            device, number, _ = node.key
            number = self._core.shown_number(device, number)
        self._entry.fill(0, number, node.kind, 1, *_NO_ATTRIBUTES)
        return self._entry.object

    def _file_info(self, number: int, node: Node) -> pyfuse3.FileInfo:
        zone = node.place.zone if node.place is not None else None
        is_watched = node.label.name in self._core.every_read
        direct = zone is not None and (zone.direct_io or is_watched)
        keep = zone is not None and zone.keep_cache and not is_watched
        return pyfuse3.FileInfo(fh=number, direct_io=direct, keep_cache=keep)

    # -- names

    async def lookup(self, parent_inode: int, name: bytes, ctx: Any) -> Any:
        try:
            stamp = self._core.watches.stamp
            found = await self._lookup(parent_inode, name, ctx.pid)
            if found is not None:
                return self._fill(found[0], found[1], stamp=stamp)
            return self._nothing(parent_inode)
        except OSError as error:
            raise FUSEError(error.errno or errno.EIO) from None
        except Exception as error:  # noqa: BLE001 - the boundary of the module's docstring
            self.fail(error)
            raise FUSEError(errno.EIO) from None

    def _nothing(self, parent: int) -> Any:
        """Return the reply that says, for as long as the zone allows, that there is nothing."""
        place = self._core.table.get(parent).place
        valid = place.zone.negative if place is not None else 0.0
        self._entry.fill(0, 0, 0, 0, *_NO_ATTRIBUTES[:-1], valid)
        return self._entry.object

    async def forget(self, inode_list: Any) -> None:
        forget = self._core.table.forget
        for number, count in inode_list:
            forget(number, count)

    @_answer
    async def mknod(self, parent_inode: int, name: bytes, mode: int, rdev: int, ctx: Any) -> Any:
        return self._fill(*await self._core.names.mknod(parent_inode, name, mode, ctx.pid))

    @_answer
    async def mkdir(self, parent_inode: int, name: bytes, mode: int, ctx: Any) -> Any:
        return self._fill(*await self._core.names.mkdir(parent_inode, name, mode, ctx.pid))

    @_answer
    async def symlink(self, parent_inode: int, name: bytes, target: bytes, ctx: Any) -> Any:
        return self._fill(*await self._core.names.symlink(parent_inode, name, target, ctx.pid))

    @_answer
    async def link(self, inode: int, new_parent_inode: int, new_name: bytes, ctx: Any) -> Any:
        return self._fill(*await self._core.names.link(inode, new_parent_inode, new_name, ctx.pid))

    @_answer
    async def unlink(self, parent_inode: int, name: bytes, ctx: Any) -> None:
        await self._core.names.unlink(parent_inode, name, ctx.pid)

    @_answer
    async def rmdir(self, parent_inode: int, name: bytes, ctx: Any) -> None:
        await self._core.names.rmdir(parent_inode, name, ctx.pid)

    @_answer
    async def rename(
        self, parent_inode_old: int, name_old: bytes, parent_inode_new: int, name_new: bytes, flags: int, ctx: Any
    ) -> None:
        renames = self._core.renames
        await renames.rename(parent_inode_old, name_old, parent_inode_new, name_new, flags, ctx.pid)

    # -- attributes

    @_answer
    async def getattr(self, inode: int, ctx: Any) -> Any:
        return self._fill(*await self._core.attributes.getattr(inode, ctx.pid), named=False)

    @_answer
    async def setattr(self, inode: int, attr: Any, fields: Any, fh: int | None, ctx: Any) -> Any:
        change = Change(
            mode=attr.st_mode if fields.update_mode else None,
            uid=attr.st_uid if fields.update_uid else None,
            gid=attr.st_gid if fields.update_gid else None,
            size=attr.st_size if fields.update_size else None,
            atime_ns=attr.st_atime_ns if fields.update_atime else None,
            mtime_ns=attr.st_mtime_ns if fields.update_mtime else None,
        )
        return self._fill(*await self._core.attributes.setattr(inode, change, fh, ctx.pid), named=False)

    @_answer
    async def access(self, inode: int, mode: int, ctx: Any) -> bool:
        return await self._core.attributes.access(inode, mode, ctx.pid)

    @_answer
    async def readlink(self, inode: int, ctx: Any) -> bytes:
        return await self._core.attributes.readlink(inode, ctx.pid)

    @_answer
    async def statfs(self, ctx: Any) -> Any:
        found = self._core.attributes.statfs()
        reply = pyfuse3.StatvfsData()
        for field in ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail"):
            setattr(reply, field, getattr(found, field))
        reply.f_namemax = found.f_namemax
        return reply

    @_answer
    async def getxattr(self, inode: int, name: bytes, ctx: Any) -> bytes:
        return await self._core.xattrs.get(inode, name, ctx.pid)

    @_answer
    async def listxattr(self, inode: int, ctx: Any) -> list[bytes]:
        return await self._core.xattrs.list(inode, ctx.pid)

    @_answer
    async def setxattr(self, inode: int, name: bytes, value: bytes, ctx: Any) -> None:
        await self._core.xattrs.set(inode, name, value, ctx.pid)

    @_answer
    async def removexattr(self, inode: int, name: bytes, ctx: Any) -> None:
        await self._core.xattrs.remove(inode, name, ctx.pid)

    # -- open files

    @_answer
    async def open(self, inode: int, flags: int, ctx: Any) -> Any:
        files, revocation = self._core.files, self._core.revocation
        try:
            number, node = await files.open(inode, flags, ctx.pid)
        except OSError:
            await revocation.settle()  # a denial may begin an epoch, too
            raise
        if revocation.is_pending:
            try:
                await revocation.settle()
            except BaseException:
                files.release(number)
                raise
        return self._file_info(number, node)

    @_answer
    async def create(self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: Any) -> Any:
        number, (node, found) = await self._core.files.create(parent_inode, name, mode, flags, ctx.pid)
        return self._file_info(number, node), self._fill(node, found)

    @_answer
    async def read(self, fh: int, off: int, size: int) -> bytes:
        return await self._core.files.read(fh, off, size)

    @_answer
    async def write(self, fh: int, off: int, buf: bytes) -> int:
        return await self._core.files.write(fh, off, buf)

    async def flush(self, fh: int) -> None:
        """Say once that closing needs no word: every write is through already."""
        raise FUSEError(errno.ENOSYS)

    @_answer
    async def release(self, fh: int) -> None:
        self._core.files.release(fh)

    @_answer
    async def fsync(self, fh: int, datasync: bool) -> None:
        await self._core.files.fsync(fh, datasync)

    async def poll(self, inode: int, fh: int, poll_handle: Any, ctx: Any) -> int:
        """Say once that files are always ready."""
        raise FUSEError(errno.ENOSYS)

    # -- directories

    @_answer
    async def opendir(self, inode: int, ctx: Any) -> int:
        return await self._core.directories.open(inode, ctx.pid)

    @_answer
    async def readdir(self, fh: int, start_id: int, token: Any) -> None:
        reply = pyfuse3.readdir_reply

        def emit(name: bytes, node: Node, found: Stat | None, following: int, counted: bool) -> bool:
            entry = self._name_only(node) if found is None else self._fill(node, found, counted)
            return bool(reply(token, name, entry, following))

        await self._core.directories.read(fh, start_id, emit)

    @_answer
    async def releasedir(self, fh: int) -> None:
        self._core.directories.release(fh)

    @_answer
    async def fsyncdir(self, fh: int, datasync: bool) -> None:
        await self._core.directories.fsync(fh)


class Caches:
    """What the kernel remembers of what it was answered; a name or node that it does not know is no error to it."""

    def drop_content(self, number: int) -> None:
        """Forget pages and attributes of a node."""
        pyfuse3.invalidate_inode(number)

    def drop_attributes(self, number: int) -> None:
        """Forget the attributes of a node."""
        pyfuse3.invalidate_inode(number, attr_only=True)

    def drop_name(self, parent: int, name: bytes) -> None:
        """Forget a name."""
        pyfuse3.invalidate_entry(parent, name)


async def serve(core: Core, fuse_fd: int, failed: Failed, urgent: tuple[int, ...] = ()) -> None:
    """Serve a mounted FUSE descriptor until its mount is gone.

    Other tasks get their turn as soon as one of the `urgent` descriptors can be read.

    Sets the process's umask to 0: the agent's kernel applied the agent's umask already. When it is cancelled, requests
    are answered for as long as a thread has the kernel drop something (`revocation.py`, 2).

    Raises:
        HostError: this pyfuse3 cannot be used.
    """
    adapter = Adapter(core, failed)
    os.umask(0)
    pyfuse3.init(adapter, f"/dev/fd/{fuse_fd}", options=set())
    try:
        with poll_first(pyfuse3, fuse_fd, urgent):
            await _serve_and_take_back(core)
    finally:
        pyfuse3.close(unmount=False)
        core.close()


async def _serve_and_take_back(core: Core) -> None:
    serving = trio.CancelScope(shield=True)
    is_over = trio.Event()

    async def answer() -> None:
        with serving:
            await pyfuse3.main()
        is_over.set()

    async with trio.open_nursery() as outer:
        outer.start_soon(answer)
        try:
            async with trio.open_nursery() as inner:
                inner.start_soon(core.revocation.run, Caches())
                inner.start_soon(core.watches.run, Caches())
                await is_over.wait()
                inner.cancel_scope.cancel()
        finally:
            serving.cancel()
