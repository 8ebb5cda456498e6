"""What the operations share: the tree, the node table, the host's side, and the way to the mediator.

`Core` joins the parts of one session's filesystem; operations reach each other through it. Nothing here knows how
requests arrive.
"""

from __future__ import annotations

import errno
import os
import resource
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import trio

from gmcp_sandbox.fs.attributes import Attributes
from gmcp_sandbox.fs.backing import Backing, fail
from gmcp_sandbox.fs.budget import UNLIMITED, Budget
from gmcp_sandbox.fs.carry import Carry, Derives
from gmcp_sandbox.fs.directories import Directories
from gmcp_sandbox.fs.files import Files
from gmcp_sandbox.fs.identities import Identities
from gmcp_sandbox.fs.ids import IdView
from gmcp_sandbox.fs.names import Names
from gmcp_sandbox.fs.nodes import Node, NodeTable
from gmcp_sandbox.fs.permits import GuardFor, PathLabels, Permits
from gmcp_sandbox.fs.programs import Programs
from gmcp_sandbox.fs.rename import Renames
from gmcp_sandbox.fs.revocation import Record, Revocation
from gmcp_sandbox.fs.tree import Tree
from gmcp_sandbox.fs.walk import LARGEST_JUDGED, read_judged
from gmcp_sandbox.fs.watching import Watches
from gmcp_sandbox.fs.xattrs import Xattrs
from gmcp_sandbox.monitor.arrivals import Arrivals
from gmcp_sandbox.monitor.mediator import Foresight, Mediator
from gmcp_sandbox.monitor.starts import Starts
from gmcp_sandbox.policy.view import View

_MOST_DIRECTORIES = 2048
FILE_CLOCK = 5
"""CLOCK_REALTIME_COARSE, by which file systems date: up to a tick behind CLOCK_REALTIME."""


class TakingBack(NamedTuple):
    """What a file system needs to know of the session beside the answers to its calls.

    Attributes:
        foresight: Says what a new epoch forbids; None: nothing is ever taken back.
        derives: The store of derived labels; None: nothing is carried from session to session.
        record: Takes events for the audit log.
    """

    foresight: Foresight | None = None
    derives: Derives | None = None
    record: Record | None = None


NOTHING = TakingBack()


class Core:
    """One session's filesystem.

    Half of the process's descriptors may be open files of the agent and a quarter cached directories, so raise the
    soft limit first.
    """

    def __init__(  # noqa: PLR0913 - everything that a session knows
        self,
        view: View,
        mediator: Mediator,
        labels: PathLabels,
        *,
        guard_for: GuardFor,
        ids: IdView,
        backings: Mapping[str, int] | None = None,
        secret_places: Iterable[str] = (),
        taking_back: TakingBack = NOTHING,
        budget: Budget = UNLIMITED,
        every_read: Iterable[str] = (),
        starts: Starts | None = None,
        arrivals: Arrivals | None = None,
    ) -> None:
        """Open the view.

        Args:
            view: What to show.
            mediator: Whom to ask.
            labels: Labels of paths.
            guard_for: The content guard of a path.
            ids: Owners as they look inside.
            backings: Descriptors of scratch trees by sandbox path; duplicated.
            secret_places: Host paths whose files stay secret under whatever other name a hard link gives them.
            taking_back: What new epochs and later sessions need.
            budget: How much may be left on the host's disks.
            every_read: Labels of files of which the kernel keeps no page, so that every read is a request.
            starts: Program starts as they are announced; None: nobody announces any, and programs are asked for without
                their words.
            arrivals: Reads what is written; None: nobody does.

        Raises:
            HostError: a source of the view cannot be opened.
        """
        self.table = NodeTable()
        self.every_read = frozenset(every_read)
        self.tree = Tree(view, backings or {}, self.table)
        room = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.backing = Backing(min(_MOST_DIRECTORIES, room // 4))
        self.ids = ids
        self.arrivals = arrivals
        self.permits = Permits(mediator, labels, guard_for, self.table)
        self.carry = Carry(taking_back.derives)
        self.budget = budget
        self.watches = Watches(self.backing)
        self.revocation = Revocation(self.table, self.permits, taking_back.foresight, taking_back.record)
        self.identities = Identities(self, secret_places)
        self.names = Names(self)
        self.renames = Renames(self)
        self.programs = Programs(self, starts)
        self.files = Files(self, room // 2)
        self.attributes = Attributes(self)
        self.xattrs = Xattrs(self)
        self.directories = Directories(self)
        self.started_ns = time.clock_gettime_ns(FILE_CLOCK)
        """What was born since then is the session's own."""
        self._devices: dict[int, int] = {}

    def relabel(self, labels: PathLabels) -> None:
        """Label paths by another profile from now on. What an object was labelled so far it stays at least."""
        self.permits.labels = labels
        self.table.generation += 1  # every node settles anew before it is named in a call

    def shown_number(self, device: int, number: int) -> int:
        """Return the inode number to show: the real one on the workspace's device, a tagged one elsewhere."""
        if device == self.tree.home_device:
            return number
        tag = self._devices.setdefault(device, len(self._devices) + 1)
        return (number ^ tag << 48) & 0x7FFF_FFFF_FFFF_FFFF

    def whole_content(self, node: Node) -> bytes:
        """Return all that a regular file says.

        Raises:
            OSError: EACCES, when it is too long to be judged.
        """
        if not node.is_file:
            return b""
        fd = self.backing.open(node, os.O_RDONLY)
        try:
            return read_judged(fd)
        finally:
            os.close(fd)

    def prospective(self, node: Node, offset: int, data: bytes) -> bytes:
        """Return what a file would say after a write.

        Raises:
            OSError: EACCES, when that is too long to be judged.
        """
        if offset + len(data) > LARGEST_JUDGED:
            raise fail(errno.EACCES)
        before = self.whole_content(node)
        return before[:offset].ljust(offset, b"\0") + data + before[offset + len(data) :]

    def resized(self, node: Node, size: int) -> bytes:
        """Return what a file would say after a truncation.

        Raises:
            OSError: EACCES, when that is too long to be judged.
        """
        if size > LARGEST_JUDGED:
            raise fail(errno.EACCES)
        return self.whole_content(node)[:size].ljust(size, b"\0") if size else b""

    def present(self, path: str) -> tuple[bytes, bool] | None:
        """Return what the file at a path says, and whether a guard judges it as a whole; for the person who is asked.

        None where that is not certain: nothing that the kernel knows is there, or several objects are or were, or the
        file is too long to be judged.
        """
        try:
            found = [node for node in self.table.living() if node.is_file and self.permits.settle(node) == path]
            return (self.whole_content(found[0]), found[0].guard is not None) if len(found) == 1 else None
        except OSError:
            return None

    async def in_thread(self, function: Callable[..., object], *args: object) -> None:
        """Run something that may wait for the disk beside the loop."""
        await trio.to_thread.run_sync(function, *args)

    def close(self) -> None:
        """Give back every descriptor; nothing may be asked any more."""
        self.watches.close()
        self.directories.close()
        self.files.close()
        self.backing.close()
        self.tree.close()
