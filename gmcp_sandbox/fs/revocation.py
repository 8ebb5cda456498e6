"""Take back what the kernel remembers of grants that a new epoch no longer gives (revocation, after Flask).

What the kernel holds, and how a new epoch reaches it:
- A decision of ours is asked for again at each request; `Monitor` answers it in the new epoch at once.
- Pages of open files are read, and faulted in through a mapping, without a request: they are dropped, so that the next
  read asks (EACCES) and the next touch of the mapping asks (SIGBUS). Pages of closed files can be reached by an open
  alone, which asks.
- Names and attributes are found without a request for as long as their zone says: they are dropped.
- Fixed nodes are never denied and never dropped: under them the kernel has bound the trees with exec right.

It costs nothing when nothing becomes forbidden: `Foresight.narrowed` tells for which tools and labels the profile may
answer stricter than before; only objects of these are looked at, and only those that the layers now refuse are dropped.

How it cannot lock up. To drop pages the kernel waits for every read of the file that is under way, to drop a name for
every request in its directory, and these wait for us. So:
(1) the kernel is told by a thread, one at a time, while the event loop goes on to answer;
(2) the loop goes on for as long as a thread is at it, also when the session ends (`adapter.serve`);
(3) an open, which holds no lock that is needed, waits for the end of it (`settle`), so that the read of a secret is
    not delivered before; any other request does not wait, but for a read of guarded content, which is refused after
    `_PATIENCE` seconds rather than delivered early;
(4) a supervisor that is killed (SIGKILL) while a thread waits for a read under way is the one case left in which the
    kernel may keep both: a window of microseconds that the agent cannot open.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable

import trio

from gmcp_sandbox.calls.arguments import Arguments, FsRead, FsStat
from gmcp_sandbox.calls.labels import PRIVATE, Label
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.errors import AuditError
from gmcp_sandbox.fs.backing import fail
from gmcp_sandbox.fs.nodes import Fixed, Node, NodeTable
from gmcp_sandbox.fs.notices import KernelCaches, Notices, tell
from gmcp_sandbox.fs.permits import Permits
from gmcp_sandbox.monitor.mediator import Foresight

Cells = frozenset[tuple[Tool, str]]
Record = Callable[..., None]

_PATIENCE = 5.0
_SLICE = 500
"""Nodes that are looked at before others get a turn."""
_CACHED: dict[Tool, tuple[Arguments, ...]] = {
    Tool.FS_READ: (FsRead("read"), FsRead("open")),
    Tool.FS_STAT: (FsStat("lookup"), FsStat("getattr")),
}
"""What the kernel may answer in our place."""


class Revocation:
    """Watches the epoch for one file system."""

    def __init__(self, table: NodeTable, permits: Permits, foresight: Foresight | None, record: Record | None) -> None:
        self._table = table
        self._permits = permits
        self._foresight = foresight
        self._record = record
        self._stand = None if foresight is None else foresight.stand()
        self._cells: Cells | None = frozenset()
        self._woken = trio.Event()
        self._settled = trio.Event()
        self.is_pending = False
        """Whether the kernel may still remember what the present epoch forbids."""

    def begin(self) -> None:
        """Find out what the new epoch may forbid. The epoch's listener: does not wait."""
        if self._foresight is None or self._stand is None:
            return
        since, self._stand = self._stand, self._foresight.stand()
        cells = self._foresight.narrowed(since)
        if cells is not None and not any(tool in _CACHED for tool, _label in cells):
            return
        self._cells = None if cells is None or self._cells is None else self._cells | cells
        if not self.is_pending:
            self.is_pending = True
            self._settled = trio.Event()
        self._woken.set()

    async def settle(self) -> None:
        """Wait until the kernel has forgotten what the present epoch forbids.

        Raises:
            OSError: EACCES, when that takes too long: what was asked for must not be delivered.
        """
        while self.is_pending:
            with trio.move_on_after(_PATIENCE) as patience:
                await self._settled.wait()
            if patience.cancelled_caught:
                raise fail(errno.EACCES)

    async def settle_read(self, node: Node, brought: tuple[Label, ...]) -> None:
        """Wait before content is delivered that may itself have begun the epoch.

        Raises:
            OSError: as `settle`.
        """
        if brought or node.label.rank >= PRIVATE.rank:
            await self.settle()

    async def run(self, caches: KernelCaches) -> None:
        """Take back what new epochs forbid, for as long as the file system is served."""
        while True:
            await self._woken.wait()
            self._woken = trio.Event()
            cells, self._cells = self._cells, frozenset()
            found = await self._find(cells)
            await tell(caches, found)
            if self._record is not None and any(found):
                with contextlib.suppress(AuditError):  # whoever records has told the session, which ends
                    self._record("revoked", files=len(found.contents), names=len(found.names))
            if not self._woken.is_set():
                self.is_pending = False
                self._settled.set()

    async def _find(self, cells: Cells | None) -> Notices:
        found = Notices([], [], [])
        for index, node in enumerate(self._table.living(), 1):
            self._look(node, cells, found)
            if index % _SLICE == 0:
                await trio.lowlevel.checkpoint()
        return found

    def _look(self, node: Node, cells: Cells | None, found: Notices) -> None:
        is_reached = not isinstance(node, Fixed) and node.lookups > 0
        if node.place is None or not (is_reached or node.handles):
            return
        if node.is_file and node.handles and self._is_forbidden(node, Tool.FS_READ, cells):
            found.contents.append(node.id)
        if is_reached and self._is_forbidden(node, Tool.FS_STAT, cells):
            found.attributes.append(node.id)
            found.names.extend((parent.id, name) for parent, name in node.names())

    def _is_forbidden(self, node: Node, tool: Tool, cells: Cells | None) -> bool:
        try:
            path = self._permits.settle(node)
        except OSError:
            return True
        label = node.label
        if cells is not None and (tool, label.name) not in cells and (tool, "*") not in cells:
            return False
        assert self._foresight is not None
        permits = self._foresight.permits
        return not all(permits(tool, path, args, label=label) for args in _CACHED[tool])
