"""Files that are opened to be run: which start they belong to, what they are by content, and the question.

- The kernel opens every file that it runs through here, by whatever way it was named: a path, a descriptor, a link in
  /proc, a script's first line. The question is asked of the very object that was opened, with the words that were
  announced for it; the kernel uses this open file and no path any more.
- Where starts are announced, an open without an announcement is asked for with a fault, and so refused and recorded.
- A file is read once for its digest, as long as nobody changes it; a long one is read beside the loop.
"""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

from blake3 import blake3

from gmcp_sandbox.calls.arguments import ProcExec
from gmcp_sandbox.calls.labels import Label
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.fs.backing import fail
from gmcp_sandbox.fs.nodes import Node
from gmcp_sandbox.fs.stats import Stat, stat_fd
from gmcp_sandbox.monitor.starts import HEAD_BYTES, UNANNOUNCED, Start, Starts

if TYPE_CHECKING:
    from gmcp_sandbox.fs.core import Core

DIGEST_BYTES = 20
LARGEST = 256 << 20
"""A larger file is run without a digest in its record."""
_AT_ONCE = 1 << 20
_PART = 1 << 20
_REMEMBERED = 8192
_FILE_CLOCK = 5
"""CLOCK_REALTIME_COARSE."""
_TICK_NS = 50_000_000
_PLAIN = ProcExec()


class Programs:
    """Asks for programs on behalf of the open files."""

    def __init__(self, core: Core, starts: Starts | None) -> None:
        self._core = core
        self._starts = starts
        self._digests: dict[tuple[object, ...], str] = {}

    async def admit(self, fd: int, node: Node, found: Stat, pid: int, brought: tuple[Label, ...]) -> None:
        """Ask for an opened file.

        Raises:
            OSError: Refused; ETXTBSY, when it was changed while the question waited.
        """
        start, args = await self._question(fd, found, pid)
        await self._core.permits.on_node(node, Tool.PROC_EXEC, args, pid, derived=brought)
        if not stat_fd(fd).is_unchanged_since(found):
            raise fail(errno.ETXTBSY)  # somebody may have looked at the program before saying yes
        if start is not None:
            start.opened(node.path, os.pread(fd, HEAD_BYTES, 0))

    async def attempt(self, node: Node, pid: int, brought: tuple[Label, ...]) -> None:
        """Ask, for the record, for a file that cannot be opened. Raises OSError: refused."""
        start = None if self._starts is None else self._starts.of(pid)
        args = _PLAIN if start is None else start.arguments(None)
        await self._core.permits.on_node(node, Tool.PROC_EXEC, args, pid, derived=brought)

    async def _question(self, fd: int, found: Stat, pid: int) -> tuple[Start | None, ProcExec]:
        if self._starts is None:
            return None, _PLAIN
        start = self._starts.of(pid)
        if start is None:
            return None, ProcExec(fault=UNANNOUNCED)
        return start, start.arguments(None if start.is_loader_next else await self._digest(fd, found))

    async def _digest(self, fd: int, found: Stat) -> str | None:
        size = found.size
        if size > LARGEST:
            return None
        key = (*found.key, size, found.mtime_s, found.mtime_ns, found.ctime_s, found.ctime_ns)
        known = self._digests.get(key)
        if known is None:
            if size <= _AT_ONCE:
                known = digest_of(fd)
            else:
                found_digest: list[str] = []
                await self._core.in_thread(lambda: found_digest.append(digest_of(fd)))
                known = found_digest[0]
            if _is_settled(found):
                if len(self._digests) >= _REMEMBERED:
                    self._digests.clear()
                self._digests[key] = known
        return known


def _is_settled(found: Stat) -> bool:
    """True when the next change will have another time: file systems date by a clock that stands still for a tick."""
    changed_ns = found.ctime_s * 1_000_000_000 + found.ctime_ns
    return time.clock_gettime_ns(_FILE_CLOCK) - changed_ns > _TICK_NS


def digest_of(fd: int) -> str:
    """Return the digest of a file, read in parts."""
    hasher = blake3()
    offset = 0
    while part := os.pread(fd, _PART, offset):
        hasher.update(part)
        offset += len(part)
    return hasher.hexdigest(length=DIGEST_BYTES)
