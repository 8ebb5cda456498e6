"""The tree that the view fixes: mountpoints, the directories that lead to them, links of the profile.

- Fixed nodes have fixed ids and are answered before the pipeline: the kernel silently detaches a bind whose mountpoint
  is once denied or forgotten.
- Every mount holds a descriptor of its source, opened without following a link, before the agent starts.
- A fixed directory inside a mount shows the mount's own directory there, when there is one, below the fixed names.
- A hidden name does not exist, whatever the host has there.
"""

from __future__ import annotations

import os
import stat as modes
import time
from collections.abc import Mapping

import msgspec

from gmcp_sandbox import kernel
from gmcp_sandbox.calls.labels import OUTSIDE, SYSTEM, Label
from gmcp_sandbox.errors import HostError
from gmcp_sandbox.fs.nodes import Fixed, Node, NodeTable
from gmcp_sandbox.fs.stats import Key, Stat, stat_fd, synthetic
from gmcp_sandbox.policy.profile import Caching, Mount, MountMode
from gmcp_sandbox.policy.view import KERNEL_DIRECTORIES, View

FOREVER = 1e8
"""Seconds; three years outlive any session."""

_DIRECTORY = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


class Zone(msgspec.Struct, frozen=True):
    """How much the kernel may remember, in seconds, and whether it may keep pages.

    Attributes:
        is_watched: Whether it may remember more where changes from outside are told (`watching.py`).
    """

    entry: float
    attributes: float
    negative: float
    keep_cache: bool
    direct_io: bool
    is_watched: bool = False


ZONES = {
    Caching.SYSTEM: Zone(60.0, 60.0, 60.0, keep_cache=True, direct_io=False),
    Caching.WORKSPACE: Zone(1.0, 1.0, 0.0, keep_cache=False, direct_io=False, is_watched=True),
    Caching.SENSITIVE: Zone(0.0, 0.0, 0.0, keep_cache=False, direct_io=True),
}
SCRATCH = Zone(60.0, 60.0, 60.0, keep_cache=False, direct_io=False)
"""Of a tree that the session made for itself: nobody changes it but through this very kernel."""


class Place:
    """A mount of the view at work: its policy, its zone and the nodes that lie in it."""

    __slots__ = ("is_kept", "is_writable", "label", "mount", "nodes", "zone")

    def __init__(self, mount: Mount) -> None:
        self.mount = mount
        is_own = mount.mode is MountMode.SCRATCH and mount.caching is Caching.WORKSPACE
        self.zone = SCRATCH if is_own else ZONES[mount.caching]
        self.is_writable = mount.mode in (MountMode.RW, MountMode.SCRATCH)
        self.is_kept = mount.source is not None
        """Whether what lies in it outlives the session."""
        self.label = mount.label
        self.nodes: dict[Key, Node] = {}


class Tree:
    """Builds the fixed nodes of a view into a node table and keeps their descriptors.

    Attributes:
        root: The node of `/`.
        places: Mounts that are shown, by sandbox path.
        home_device: Device of the first writable mount with a source (the workspace); its inode numbers are shown
            as they are.
        home_fd: Of the workspace, or of the mount that comes first; what statfs tells about.
    """

    def __init__(self, view: View, backings: Mapping[str, int], table: NodeTable) -> None:
        """Open all sources.

        Args:
            view: What to show.
            backings: Descriptors by sandbox path, for scratch mounts and for sources that were opened before; they are
                duplicated.
            table: Takes the fixed nodes; must be fresh, so that the root gets id 1.

        Raises:
            HostError: a source cannot be opened.
        """
        self._table = table
        self._started = int(time.time())
        self.places: dict[str, Place] = {}
        self.home_device: int | None = None
        self.home_fd = -1
        self.root = self._new("/", None, SYSTEM)
        for mount in view.mounts:
            self._mount(mount, backings)
        for path, target in view.symlinks:
            self._link(path, target)
        for path in KERNEL_DIRECTORIES:
            self._reach(path)

    def _new(self, path: str, place: Place | None, label: Label) -> Fixed:
        number = self._table.number()
        node = Fixed(number, path, place, synthetic(modes.S_IFDIR | 0o755, number, self._started), label)
        self._table.add_fixed(node)
        return node

    def _reach(self, path: str) -> Fixed:
        """Return the fixed node at `path`, with all that lead there; a new one shows what its mount has."""
        node = self.root
        for word in path.split("/"):
            if not word:
                continue
            name = os.fsencode(word)
            assert node.children is not None
            child = node.children.get(name)
            if child is None:
                child = self._new(node.path.rstrip("/") + "/" + word, None, SYSTEM)
                child.parent, child.name = node, name
                self._overlay(node, child, name)
                node.children[name] = child
            node = child
        return node

    def _overlay(self, parent: Fixed, child: Fixed, name: bytes) -> None:
        """Put the directory that a mount has at a fixed path behind the fixed node; scratch trees get one made."""
        place = parent.place
        if place is None or parent.fd < 0:
            return
        try:
            if place.mount.mode is MountMode.SCRATCH:
                try:
                    os.mkdir(name, 0o755, dir_fd=parent.fd)
                except FileExistsError:
                    pass
            child.fd = os.open(name, _DIRECTORY, dir_fd=parent.fd)
        except OSError:
            return  # nothing there, or no directory: the fixed names are all that it has
        child.place = place
        child.sticky = child.label = place.label
        child.key = stat_fd(child.fd).key

    def _mount(self, mount: Mount, backings: Mapping[str, int]) -> None:
        node = self._reach(mount.path)
        if node.fd >= 0:
            os.close(node.fd)
            node.fd = -1
        node.place, node.key = None, None
        if mount.mode is MountMode.HIDDEN:
            node.is_hidden = True
            node.sticky = node.label = OUTSIDE
            return
        node.is_hidden = False
        node.fd = self._source(mount, backings.get(mount.path))
        found = stat_fd(node.fd)
        if not (found.is_dir or found.is_file):
            os.close(node.fd)
            node.fd = -1
            raise HostError(f"cannot show {mount.source}", cause="it is neither a directory nor a regular file")
        place = self.places[mount.path] = Place(mount)
        node.place, node.key, node.kind = place, found.key, found.mode & 0o170000
        node.sticky = node.label = mount.label
        if not found.is_dir:
            node.children = None
        if self.home_device is None and mount.mode is MountMode.RW and found.is_dir:
            self.home_device = found.key[0]
            self.home_fd = node.fd
        elif self.home_fd < 0:
            self.home_fd = node.fd

    def _source(self, mount: Mount, given: int | None) -> int:
        if given is not None:
            return os.dup(given)
        if mount.source is None:
            raise HostError(f"cannot show {mount.path}", cause="a scratch tree was not made")
        try:
            return kernel.openat2(-100, os.fsencode(mount.source), os.O_PATH, resolve=kernel.RESOLVE_NO_SYMLINKS)
        except OSError as error:
            raise HostError(f"cannot show {mount.source}", cause=str(error.strerror)) from error

    def _link(self, path: str, target: str) -> None:
        node = self._reach(path)
        node.children = None
        node.target = os.fsencode(target)
        node.kind = modes.S_IFLNK
        node.stat = synthetic(modes.S_IFLNK | 0o777, node.id, self._started, len(node.target))
        if node.fd >= 0:
            os.close(node.fd)
            node.fd = -1

    def stat(self, node: Fixed) -> Stat:
        """Return what a fixed node shows: its host object's attributes, or its own."""
        return stat_fd(node.fd) if node.fd >= 0 else node.stat

    def descriptor(self, path: str) -> int | None:
        """Return the descriptor of a mount's root directory; None when it shows a file."""
        node = self._reach(path)
        return node.fd if node.is_dir else None

    def close(self) -> None:
        """Give back every descriptor."""
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            waiting.extend((node.children or {}).values())
            if node.fd >= 0:
                os.close(node.fd)
                node.fd = -1
