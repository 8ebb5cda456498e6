"""The node table: what the kernel of the agent holds on to, under numbers of our own.

- A node stands for one host object (device, inode, birth time) in one mount of the view; all hard links to it are one
  node. Two mounts that show the same object show two nodes: what holds in one says nothing about the other.
- Node ids are counted up and never used twice; they say nothing about the host.
- A node lives as long as the kernel counts it or a living node has a name in it; then it vanishes.
- A label, once carried, is never lowered (`Node.sticky`).
- `NodeTable.generation` rises when a directory moves: every cached path is then worked out anew.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gmcp_sandbox.calls.labels import Label
from gmcp_sandbox.fs.stats import Key, Stat

if TYPE_CHECKING:
    from gmcp_sandbox.fs.files import Handle
    from gmcp_sandbox.fs.loans import Told, Watch
    from gmcp_sandbox.fs.tree import Place

STALE = -1
"""Generation of a path that must be worked out before it is used."""


def but_for_one(generation: int) -> int:
    """Return the generation of a path that was worked out in `generation` from all names but the one used last."""
    return STALE - 1 - generation


Name = tuple["Node", bytes]


class Node:
    """One object that the kernel knows.

    Attributes:
        id: What the kernel calls it.
        key: Which host object it is; None when it exists in the view only.
        place: The mount of the view that it lies in; None in purely synthetic directories.
        kind: File type bits of its mode.
        parent, name: The name that was used last; parent is None once no name is left.
        more: Its other known names.
        lookups: References that the kernel holds.
        kids: Names that living nodes have in this directory.
        sticky: The highest label it ever carried.
        path, label, guard: As of `generation`; see `permits.py`.
        size: Length that the kernel believes a file has.
        handles: Open files on it.
        fd: For a directory a cached descriptor, for an unlinked object its last hold on the host; -1 for none.
        recent: Whether `fd` was used since the cache last looked.
        watch: Of a directory, how its changes are told (`watching.py`); None: nobody tried yet.
        told: Of a directory, which of its names the kernel was told of lately.
    """

    __slots__ = (
        "fd",
        "generation",
        "guard",
        "handles",
        "id",
        "key",
        "kids",
        "kind",
        "label",
        "lookups",
        "more",
        "name",
        "parent",
        "path",
        "place",
        "recent",
        "size",
        "sticky",
        "told",
        "watch",
    )

    children: dict[bytes, Fixed] | None = None
    """Fixed names in this directory; only a `Fixed` has any."""

    def __init__(self, number: int, key: Key | None, place: Place | None, kind: int, sticky: Label) -> None:
        self.id = number
        self.key = key
        self.place = place
        self.kind = kind
        self.sticky = sticky
        self.label = sticky
        self.path = ""
        self.guard: object | None = None
        self.generation = STALE
        self.parent: Node | None = None
        self.name = b""
        self.more: list[Name] | None = None
        self.lookups = 0
        self.kids = 0
        self.size = 0
        self.handles: list[Handle] | None = None
        self.fd = -1
        self.recent = False
        self.watch: Watch | None = None
        self.told: Told | None = None

    @property
    def is_dir(self) -> bool:
        """True for a directory."""
        return self.kind == 0o040000

    @property
    def is_file(self) -> bool:
        """True for a regular file."""
        return self.kind == 0o100000

    @property
    def is_symlink(self) -> bool:
        """True for a symbolic link."""
        return self.kind == 0o120000

    def names(self) -> list[Name]:
        """Return the known names, the one that was used last first."""
        if self.parent is None:
            return []
        return [(self.parent, self.name), *self.more] if self.more else [(self.parent, self.name)]

    def has_name(self, parent: Node, name: bytes) -> bool:
        """Return True when `name` in `parent` is known to be this object."""
        return any(where is parent and what == name for where, what in self.names())


class Fixed(Node):
    """A node of the view itself: a mountpoint, a directory on the way to one, or a symbolic link of the profile.

    Attributes:
        children: Fixed names below it.
        target: Where a symbolic link leads; None for all else.
        stat: What to show when no host object stands behind it.
        is_hidden: True when the view denies that the name exists.
    """

    __slots__ = ("children", "is_hidden", "stat", "target")

    def __init__(self, number: int, path: str, place: Place | None, stat: Stat, sticky: Label) -> None:
        super().__init__(number, None, place, stat.mode & 0o170000, sticky)
        self.path = path
        self.children: dict[bytes, Fixed] | None = {}
        self.target: bytes | None = None
        self.stat = stat
        self.is_hidden = False


class NodeTable:
    """All living nodes, by id and by host object."""

    def __init__(self) -> None:
        self._by_id: dict[int, Node] = {}
        self._next = 1
        self.generation = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def number(self) -> int:
        """Return a node id that was never used."""
        number = self._next
        self._next += 1
        return number

    def get(self, number: int) -> Node:
        """Return the node that the kernel calls `number`.

        Raises:
            OSError: ESTALE, when it is not known.
        """
        try:
            return self._by_id[number]
        except KeyError:
            raise OSError(116, os.strerror(116)) from None

    def known(self, number: int) -> Node | None:
        """Return the node that the kernel calls `number`, if it lives."""
        return self._by_id.get(number)

    def living(self) -> list[Node]:
        """Return all nodes that live now."""
        return list(self._by_id.values())

    def find(self, place: Place, key: Key) -> Node | None:
        """Return the node that stands for a host object in a mount, if the kernel knows it."""
        return place.nodes.get(key)

    def add_fixed(self, node: Fixed) -> None:
        """Take in a node of the view; it never leaves."""
        node.lookups = 1
        self._by_id[node.id] = node

    def intern(self, stat: Stat, key: Key, parent: Node, name: bytes, label: Label) -> Node:
        """Return the node of the object that is called `name` in `parent`, made when it is new."""
        place = parent.place
        assert place is not None, "no host object is called anything in a directory that only the view has"
        node = place.nodes.get(key)
        if node is None:
            node = Node(self._next, key, place, stat.mode & 0o170000, label)
            self._next += 1
            self._by_id[node.id] = place.nodes[key] = node
            node.parent = parent
            node.name = name
            parent.kids += 1
        elif node.parent is not parent or node.name != name:
            self.add_name(node, parent, name)
        node.size = stat.size
        return node

    def add_name(self, node: Node, parent: Node, name: bytes) -> None:
        """Note that `node` is called `name` in `parent`, and that this name was used last."""
        if isinstance(node, Fixed):
            return
        if node.is_dir and node.parent is not None:  # a directory has one name: the host moved it
            former, node.parent = node.parent, None
            former.kids -= 1
            self._collect(former)
            self.generation += 1
        is_settled = node.parent is not None and node.generation == self.generation
        known = [entry for entry in node.names() if entry[0] is not parent or entry[1] != name]
        if len(known) == len(node.names()):
            parent.kids += 1
        node.parent = parent
        node.name = name
        node.more = known or None
        node.generation = but_for_one(self.generation) if is_settled and known else STALE

    def drop_name(self, node: Node, parent: Node, name: bytes) -> None:
        """Forget that `node` is called `name` in `parent`."""
        if isinstance(node, Fixed) or not node.has_name(parent, name):
            return
        left = [entry for entry in node.names() if entry[0] is not parent or entry[1] != name]
        parent.kids -= 1
        if left:
            node.parent, node.name = left[0]
            node.generation = STALE
        else:
            node.parent = None  # `path` keeps the last one: records name the object by it
        node.more = left[1:] or None
        self._collect(parent)

    def forget(self, number: int, count: int) -> None:
        """Give back `count` of the kernel's references."""
        node = self._by_id.get(number)
        if node is None or isinstance(node, Fixed):
            return
        node.lookups = max(0, node.lookups - count)
        self._collect(node)

    def release(self, node: Node) -> None:
        """Let go of a node that may not be referred to any more (an open file closed)."""
        self._collect(node)

    def _collect(self, first: Node) -> None:
        """Remove a node that nothing refers to, and then every directory that it held."""
        waiting = [first]
        while waiting:
            node = waiting.pop()
            if node.lookups or node.kids or node.handles or isinstance(node, Fixed) or node.id not in self._by_id:
                continue
            del self._by_id[node.id]
            if node.key is not None and node.place is not None and node.place.nodes.get(node.key) is node:
                del node.place.nodes[node.key]
            if node.fd >= 0:
                os.close(node.fd)
                node.fd = -1
            if node.watch is not None:
                node.watch.end()
                node.watch = None
            for parent, _ in node.names():
                parent.kids -= 1
                waiting.append(parent)
            node.parent = None
            node.more = None
