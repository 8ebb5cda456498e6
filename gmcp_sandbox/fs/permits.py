"""Where an object is in the view, what label it has, and whether an effect on it is permitted.

- `settle` works out path, label and guard of a node from all its known names: the highest label of any of them and of
  what the node ever carried; the name that a guard or the highest label hangs on is the one that records say.
- Every permit is one mediated call, for the path that the object has when the answer comes: what moved meanwhile is
  asked for again. A refusal is an `OSError`: ENOENT for what the view does not show, EROFS for
  changes to trees that take none, EACCES for all else.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import NamedTuple, Protocol

from gmcp_sandbox.calls.arguments import Arguments
from gmcp_sandbox.calls.labels import OUTSIDE, Label, highest
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.fs.backing import fail
from gmcp_sandbox.fs.nodes import Fixed, Node, NodeTable, but_for_one
from gmcp_sandbox.monitor.mediator import Mediator

GuardFor = Callable[[str], object | None]

_LONGEST_PATH = 32768
_LONGEST_NAME = 255
_ROUNDS = 8
_READING = frozenset({Tool.FS_STAT, Tool.FS_LIST, Tool.FS_READ, Tool.PROC_EXEC})


class PathLabels(Protocol):
    """Says what label a path has; `policy.labelling.Labeller` is one."""

    def of(self, path: str) -> Label:
        """Return the label of a sandbox path."""

    def of_link(self, path: str) -> Label:
        """Return the label of a symbolic link that would stand at a path."""

    def may_differ_below(self, old: str, new: str) -> bool:
        """Return True unless everything below two directories surely has equal labels."""


class Spot(NamedTuple):
    """A name in a directory, as a call tells it: the directory's node, the path, and the label."""

    parent: Node
    path: str
    label: Label


def spell(name: bytes) -> str:
    """Return a name as calls and records spell it."""
    return name.decode("utf-8", "surrogateescape")


class Permits:
    """Asks the mediator on behalf of the operations."""

    def __init__(self, mediator: Mediator, labels: PathLabels, guard_for: GuardFor, table: NodeTable) -> None:
        self._mediator = mediator
        self._call = mediator.call
        self._mediate = mediator.mediate
        self.labels = labels
        self.guard_for = guard_for
        self._table = table

    def settle(self, node: Node) -> str:
        """Bring a node's path, label and guard up to date and return the path."""
        generation = self._table.generation
        if node.generation == generation:
            return node.path
        if isinstance(node, Fixed):
            guard = self.guard_for(node.path) if node.is_file else None
            self._adopt(node, node.path, self.labels.of(node.path) if node.place is not None else node.sticky, guard)
        elif node.parent is None:
            node.label = node.sticky  # unlinked: the last path stays, for the records
        elif node.more is None:
            path = self.path_of(node.parent, node.name)
            self._adopt(node, path, self.labels.of(path), self.guard_for(path) if node.is_file else None)
        elif node.generation == but_for_one(generation):
            self._settle_newest(node)
        else:
            self._settle_many(node)
        node.generation = generation
        return node.path

    def _settle_many(self, node: Node) -> None:
        """Let the strictest of several names speak for the node."""
        best: tuple[tuple[bool, int], str, Label, object | None] | None = None
        for parent, name in node.names():
            path = self.path_of(parent, name)
            label, guard = self.labels.of(path), self.guard_for(path) if node.is_file else None
            rank = (guard is not None, label.rank)
            if best is None or rank > best[0]:
                best = (rank, path, label, guard)
            node.sticky = highest(node.sticky, label)
        assert best is not None
        self._adopt(node, *best[1:])

    def _settle_newest(self, node: Node) -> None:
        """Do as `_settle_many` when all names but the newest were weighed already: files may have thousands."""
        assert node.parent is not None
        path = self.path_of(node.parent, node.name)
        label, guard = self.labels.of(path), self.guard_for(path) if node.is_file else None
        if (guard is not None, label.rank) >= (node.guard is not None, self.labels.of(node.path).rank):
            self._adopt(node, path, label, guard)
        node.label = node.sticky = highest(node.sticky, label)

    def _adopt(self, node: Node, path: str, label: Label, guard: object | None) -> None:
        node.path = path
        node.guard = guard
        node.label = node.sticky = highest(node.sticky, label)

    def path_of(self, parent: Node, name: bytes) -> str:
        """Return the path of `name` in a directory.

        Raises:
            OSError: ENAMETOOLONG: a name that no file system has, or a path far beyond those that programs use.
        """
        if parent.generation != self._table.generation:
            self._settle_chain(parent)
        path = parent.path
        if len(path) > _LONGEST_PATH or len(name) > _LONGEST_NAME:
            raise fail(errno.ENAMETOOLONG)
        return (path if path != "/" else "") + "/" + name.decode("utf-8", "surrogateescape")

    def _settle_chain(self, node: Node) -> None:
        """Settle a directory and its ancestors, from the top, without recursion: depth is the agent's choice."""
        chain = [node]
        while node.parent is not None and node.parent.generation != self._table.generation:
            node = node.parent
            chain.append(node)
        for each in reversed(chain):
            self.settle(each)

    def label_at(self, parent: Node, name: bytes, path: str, known: Node | None) -> Label:
        """Return the label of what is called `name` in `parent`: of its path, and of the object when it is known."""
        if known is None:
            return self.labels.of(path)
        if known.parent is parent and known.name == name and known.more is None:
            self.settle(known)
            return known.label
        return highest(known.sticky, self.labels.of(path))

    async def on_node(  # noqa: PLR0913 - one parameter for each field of a call
        self,
        node: Node,
        tool: Tool,
        args: Arguments,
        pid: int,
        *,
        extent: tuple[int, int] | None = None,
        content: bytes | None = None,
        derived: tuple[Label, ...] = (),
    ) -> None:
        """Ask for an effect on an object.

        Args:
            derived: Labels that what is delivered carries, beside the object's own.

        Raises:
            OSError: refused.
        """
        table = self._table
        for _ in range(_ROUNDS):
            path = node.path if node.generation == table.generation else self.settle(node)
            label = node.label
            if derived:
                call = self._call(tool, path, args, label=label, pid=pid, extent=extent, derived=derived)
            else:
                call = self._call(tool, path, args, label=label, pid=pid, extent=extent, content=content)
            decision = await self._mediate(call)
            if not decision.is_allowed:
                raise refusal(tool, label, node)
            if (
                node.path if node.generation == table.generation else self.settle(node)
            ) == path and node.label is label:
                return
        raise fail(errno.ESTALE)

    async def on_path(self, spot: Spot, tool: Tool, args: Arguments, pid: int, *, content: bytes | None = None) -> None:
        """Ask for an effect on a name in a directory.

        Raises:
            OSError: refused.
        """
        parent, path, label = spot
        generation = self._table.generation
        decision = await self._mediate(self._call(tool, path, args, label=label, pid=pid, content=content))
        if not decision.is_allowed:
            raise refusal(tool, label, parent)
        if self._table.generation != generation and not path.startswith(self._directory_of(parent)):
            raise fail(errno.ESTALE)  # the directory moved while the question waited
        if tool not in _READING and (parent.place is None or not parent.place.is_writable):
            raise fail(errno.EROFS)

    def _directory_of(self, parent: Node) -> str:
        self._settle_chain(parent)
        return parent.path.rstrip("/") + "/"

    async def outside(self, parent: Node, name: bytes, tool: Tool, args: Arguments, pid: int) -> OSError:
        """Ask, for the record, about a name that the view does not show; return what to raise."""
        path = self.path_of(parent, name)
        await self._mediate(self._call(tool, path, args, label=OUTSIDE, pid=pid))
        if tool is Tool.FS_STAT:
            return fail(errno.ENOENT)
        return fail(errno.EACCES if parent.place is not None and parent.place.is_writable else errno.EROFS)


def refusal(tool: Tool, label: Label, node: Node) -> OSError:
    """Return how a refused call looks to the agent."""
    if label.rank >= OUTSIDE.rank:
        return fail(errno.ENOENT)
    if tool not in _READING and (node.place is None or not node.place.is_writable):
        return fail(errno.EROFS)
    return fail(errno.EACCES)
