"""Hard links to secrets and to guarded files that are older than the session.

A name tells a label, but an inode may have another name that tells a higher one. Before the first file with more than
one link is opened or changed in a writable mount, the secret places of the host and the writable mounts are walked
once, and every object that any of these names labels higher is remembered by device and inode number.

- A file that has a content guard under another name only is watched: nobody would judge what is written to it.
- When the walk cannot be finished, every file with several links counts as secret: the doubt is the agent's loss.
- Links that the host makes after the walk are not seen; links of the agent are judged when it makes them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

import trio

from gmcp_sandbox import kernel
from gmcp_sandbox.calls.labels import SECRET, WATCHED, Label, highest
from gmcp_sandbox.fs.nodes import STALE, Fixed, Node
from gmcp_sandbox.fs.walk import TooMany, entries
from gmcp_sandbox.policy.profile import MountMode

if TYPE_CHECKING:
    from gmcp_sandbox.fs.core import Core
    from gmcp_sandbox.fs.tree import Place

_MOST_SECRETS = 20_000
_MOST_NAMES = 2_000_000
_BATCH = 2_000

Inode = tuple[int, int]


class Identities:
    """Labels by inode, gathered once when they are first needed."""

    def __init__(self, core: Core, secret_places: Iterable[str]) -> None:
        self._core = core
        self._secret_places = tuple(secret_places)
        self._labels: dict[Inode, Label] = {}
        self._guarded: set[Inode] = set()
        self._is_complete = True
        self._is_gathered = False
        self._lock = trio.Lock()

    async def apply_to_links(self, node: Node) -> None:
        """Do as `apply`, if the file has several links.

        Raises:
            OSError: ESTALE, when it is gone.
        """
        if node.is_file and not isinstance(node, Fixed) and self._core.backing.stat(node).nlink > 1:
            await self.apply(node)

    async def apply(self, node: Node) -> None:
        """Raise the label of a file with several links to what any of its names demands."""
        if node.place is None or node.place.mount.mode is not MountMode.RW or not node.is_file or node.key is None:
            return
        if not self._is_gathered:
            async with self._lock:
                if not self._is_gathered:
                    await self._gather()
        label = self._label_of(node, node.key[:2])
        if label is not None and label.rank > node.sticky.rank:
            node.sticky = label
            node.generation = STALE

    def _label_of(self, node: Node, inode: Inode) -> Label | None:
        if not self._is_complete:
            return SECRET
        label = self._labels.get(inode)
        if inode in self._guarded:
            self._core.permits.settle(node)
            if node.guard is None:
                return highest(WATCHED, label or WATCHED)
        return label

    async def _gather(self) -> None:
        try:
            for place in self._secret_places:
                await self._gather_secrets(place)
            for path, mount in self._core.tree.places.items():
                if mount.mount.mode is MountMode.RW:
                    await self._gather_mount(path, mount)
        except (OSError, TooMany):
            self._is_complete = False
        self._is_gathered = True

    async def _gather_secrets(self, place: str) -> None:
        """Take down every file in a place of the host that is secret as a whole."""
        found = await trio.to_thread.run_sync(_inodes, place)
        for inode in found:
            self._labels[inode] = SECRET

    async def _gather_mount(self, path: str, mount: Place) -> None:
        """Take down the files with several links that some name in a writable mount labels higher, or guards."""
        top = self._core.tree.descriptor(path)
        if top is None:
            return
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=top)
        walk = entries(fd, skip_unreadable=True)  # whose names the host keeps from us, the agent cannot open either
        seen = 0
        prefix = path.rstrip("/")
        while True:
            batch = await trio.to_thread.run_sync(_linked_files, walk)
            if batch is None:
                return
            seen += _BATCH
            if seen > _MOST_NAMES:
                raise TooMany
            for rest, inode in batch:
                label = self._core.permits.labels.of(prefix + rest)
                if label.rank > mount.label.rank:
                    self._labels[inode] = highest(label, self._labels.get(inode, label))
                if self._core.permits.guard_for(prefix + rest) is not None:
                    self._guarded.add(inode)


def _linked_files(walk: Iterable[tuple[str, os.DirEntry[str], int]]) -> list[tuple[str, Inode]] | None:
    """Look at the next names; return the files with several links among them, None at the end."""
    found = []
    count = 0
    for rest, entry, _fd in islice(walk, _BATCH):
        count += 1
        if not entry.is_file(follow_symlinks=False):
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if status.st_nlink > 1:
            found.append((rest, _inode(status)))
    return found if count else None


def _inodes(place: str) -> list[Inode]:
    """Return every file at or below a host path; none when nothing is there."""
    try:
        top = kernel.openat2(-100, os.fsencode(place), os.O_PATH, resolve=0)
    except FileNotFoundError:
        return []
    try:
        status = os.fstat(top)
        if stat.S_ISREG(status.st_mode):
            return [_inode(status)]
        reading = os.open(f"/proc/self/fd/{top}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except NotADirectoryError:
        return []
    finally:
        os.close(top)
    found = []
    for _rest, entry, _fd in entries(reading):
        if entry.is_file(follow_symlinks=False):
            found.append(_inode(entry.stat(follow_symlinks=False)))
        if len(found) > _MOST_SECRETS:
            raise TooMany
    return found


def _inode(status: os.stat_result) -> Inode:
    return (os.major(status.st_dev) << 32 | os.minor(status.st_dev), status.st_ino)
