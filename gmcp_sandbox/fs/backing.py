"""Access to host objects, through descriptors only.

- Directories are reached from the nearest cached ancestor, one component at a time, without following links; every
  object that is reached must be the one that the node stands for (device, inode, birth time), else ESTALE.
- At most `capacity` directory descriptors are cached; those not used for longest are closed first.
- A host path is never walked again, and nothing but regular files and directories is ever opened.
"""

from __future__ import annotations

import errno
import os

from gmcp_sandbox.fs.nodes import Fixed, Node
from gmcp_sandbox.fs.stats import Stat, stat_at, stat_fd

_DIRECTORY = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_HOLD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def fail(code: int) -> OSError:
    """Return the error that the kernel knows by `code`."""
    return OSError(code, os.strerror(code))


def magic(fd: int) -> str:
    """Return the path by which the kernel leads back to exactly the object that `fd` refers to."""
    return f"/proc/self/fd/{fd}"


class Backing:
    """The host's side of every node."""

    def __init__(self, capacity: int = 2048) -> None:
        self._capacity = capacity
        self._open: list[Node] = []
        self._hand = 0

    def directory(self, node: Node) -> int:
        """Return a descriptor of a directory node; good until the next call.

        Raises:
            OSError: ESTALE, when it is not where it was; ENOENT when only the view has it.
        """
        if not node.is_dir:
            raise fail(errno.ENOTDIR)
        if node.fd >= 0:
            node.recent = True
            return node.fd
        if isinstance(node, Fixed):
            raise fail(errno.ENOENT)
        missing = []
        at: Node = node
        while at.fd < 0:
            missing.append(at)
            if at.parent is None or isinstance(at, Fixed):
                raise fail(errno.ESTALE)
            at = at.parent
        fd = at.fd
        for step in reversed(missing):
            fd = self._enter(fd, step)
        return fd

    def _enter(self, parent_fd: int, node: Node) -> int:
        try:
            fd = os.open(node.name, _DIRECTORY, dir_fd=parent_fd)
        except OSError as error:
            gone = error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
            raise fail(errno.ESTALE if gone else error.errno or errno.EIO) from None
        if stat_fd(fd).key != node.key:
            os.close(fd)
            raise fail(errno.ESTALE)
        node.fd = fd
        node.recent = True
        self._remember(node)
        return fd

    def _remember(self, node: Node) -> None:
        """Keep a directory's descriptor, at the cost of one that was not used since the hand last came by."""
        if len(self._open) < self._capacity:
            self._open.append(node)
            return
        while True:
            self._hand = (self._hand + 1) % len(self._open)
            old = self._open[self._hand]
            if old.fd < 0 or not old.recent:
                break
            old.recent = False
        if old.fd >= 0 and old is not node:
            os.close(old.fd)
            old.fd = -1
        self._open[self._hand] = node

    def name_stat(self, parent: Node, name: bytes) -> Stat:
        """Return the attributes of whatever is called `name` in `parent`."""
        fd = parent.fd
        if fd < 0:
            fd = self.directory(parent)
        else:
            parent.recent = True
        return stat_at(fd, name)

    def stat(self, node: Node) -> Stat:
        """Return the attributes of the object that a node stands for.

        Raises:
            OSError: ESTALE, when no known name leads to it any more and nothing holds it open.
        """
        if node.handles:
            return stat_fd(node.handles[0].fd)
        if node.fd >= 0:
            return stat_fd(node.fd)
        for parent, name in node.names():
            try:
                found = self.name_stat(parent, name)
            except OSError:
                continue
            if found.key == node.key:
                return found
        raise fail(errno.ESTALE)

    def open(self, node: Node, flags: int) -> int:
        """Open the regular file that a node stands for, with nothing but `flags`' access mode and O_APPEND's like.

        Raises:
            OSError: ESTALE, when another object stands in its place; the host's own refusal.
        """
        if isinstance(node, Fixed) or node.parent is None:
            return self._reopen(node, flags)
        last: OSError = fail(errno.ESTALE)
        for parent, name in node.names():
            try:
                fd = os.open(name, flags | _FILE, dir_fd=self.directory(parent))
            except OSError as error:
                last = fail(errno.ESTALE) if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO) else error
                continue
            if stat_fd(fd).key == node.key:
                return fd
            os.close(fd)
        raise last

    def _reopen(self, node: Node, flags: int) -> int:
        held = node.fd if node.fd >= 0 else node.handles[0].fd if node.handles else -1
        if held < 0:
            raise fail(errno.ESTALE)
        return os.open(magic(held), flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)

    def hold(self, node: Node) -> int:
        """Return a new descriptor (O_PATH) of the object that a node stands for; the caller closes it."""
        if node.fd >= 0:
            return os.dup(node.fd)
        if node.handles:
            return os.open(magic(node.handles[0].fd), os.O_PATH | os.O_CLOEXEC)
        for parent, name in node.names():
            try:
                fd = os.open(name, _HOLD, dir_fd=self.directory(parent))
            except OSError:
                continue
            if stat_fd(fd).key == node.key:
                return fd
            os.close(fd)
        raise fail(errno.ESTALE)

    def readlink(self, node: Node) -> bytes:
        """Return where the symbolic link that a node stands for leads."""
        held = self.hold(node)
        try:
            return os.readlink(b"", dir_fd=held)
        finally:
            os.close(held)

    def pin(self, node: Node) -> None:
        """Hold on to an object that is about to lose its last name while the kernel still refers to it.

        The hold is one of the cached descriptors: under pressure it goes, and the object is then ESTALE, never another.
        """
        if node.fd >= 0 or node.handles or isinstance(node, Fixed) or not node.lookups:
            return
        try:
            node.fd = self.hold(node)
        except OSError:
            return
        node.recent = True
        self._remember(node)

    def pair(self, first: Node, second: Node) -> tuple[int, int]:
        """Return descriptors of two directories, both good until the next call."""
        for _ in range(3):
            one, two = self.directory(first), self.directory(second)
            if first.fd == one:
                return one, two
        raise fail(errno.ESTALE)

    def adopt(self, node: Node, fd: int) -> None:
        """Keep an open descriptor as the hold on an object without a name."""
        node.fd = fd
        node.recent = True
        self._remember(node)

    def close(self) -> None:
        """Close every cached descriptor."""
        for node in self._open:
            if node.fd >= 0:
                os.close(node.fd)
                node.fd = -1
        self._open.clear()
