"""Rename, exchange included: the one operation that can change what many paths mean.

- The call's label is the highest of the object, its old and new path, what is replaced, and all that moves along.
- A rename that would lower any of these labels says so (`FsRename.lowers`) and is refused whatever the answer.
- A file that comes under a guard is judged on its content; the content is read again just before the rename. In a
  directory that moves every guarded file below is judged under its new path.
- Moves between mounts are EXDEV, as between any two mounts.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple

import trio

from gmcp_sandbox import kernel
from gmcp_sandbox.calls.arguments import FsRename
from gmcp_sandbox.calls.labels import Label, highest
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.fs.backing import fail
from gmcp_sandbox.fs.nodes import Fixed, Node
from gmcp_sandbox.fs.permits import Spot, spell
from gmcp_sandbox.fs.stats import Key, Stat
from gmcp_sandbox.fs.walk import TooMany, entries, names_below, read_whole
from gmcp_sandbox.policy.gitlinks import is_in_git_directory, is_refused_link

if TYPE_CHECKING:
    from gmcp_sandbox.fs.core import Core

_MOST_MOVED = 50_000
_MOST_GUARDED = 500


class End(NamedTuple):
    """One end of a rename: a name, and what is there."""

    parent: Node
    name: bytes
    path: str
    stat: Stat | None
    node: Node | None

    @property
    def key(self) -> Key | None:
        """Which object is there."""
        return None if self.stat is None else self.stat.key


class Renames:
    """Moves names."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._table = core.table
        self._backing = core.backing
        self._permits = core.permits

    async def rename(  # noqa: PLR0913 - the request's own fields
        self, old_parent: int, old_name: bytes, new_parent: int, new_name: bytes, flags: int, pid: int
    ) -> None:
        """Move a name, replace another by it (0), only if there is none (NOREPLACE), or exchange the two (EXCHANGE)."""
        if flags & ~(kernel.RENAME_NOREPLACE | kernel.RENAME_EXCHANGE):
            raise fail(errno.EINVAL)
        is_exchange = bool(flags & kernel.RENAME_EXCHANGE)
        source = self._table.get(old_parent)
        target = self._table.get(new_parent)
        args = FsRename(self._permits.path_of(target, new_name), False, is_exchange)
        await self._core.names.check_free(source, old_name, Tool.FS_RENAME, args, pid)
        await self._core.names.check_free(target, new_name, Tool.FS_RENAME, args, pid)
        if source.place is not target.place:
            raise fail(errno.EXDEV)
        await self._ask_and_move(self._look(source, old_name), self._look(target, new_name), flags, pid)

    async def _ask_and_move(self, old: End, new: End, flags: int, pid: int) -> None:
        is_exchange = bool(flags & kernel.RENAME_EXCHANGE)
        label, lowers, names = await self._labels(old, new)
        back_names = None
        if is_exchange:
            other, other_lowers, back_names = await self._labels(new, old)
            label, lowers = highest(label, other), lowers or other_lowers
        content = self._guarded_content(old, new.path)
        back = self._guarded_content(new, old.path) if is_exchange else None
        args = FsRename(new.path, new.stat is not None, is_exchange, lowers)
        ask = self._permits.on_path
        await ask(Spot(old.parent, old.path, label), Tool.FS_RENAME, args, pid, content=content)
        if back is not None:
            args = FsRename(old.path, True, is_exchange, lowers)
            await ask(Spot(new.parent, new.path, label), Tool.FS_RENAME, args, pid, content=back)
        if lowers:
            raise fail(errno.EACCES)
        moved = await self._judge_below(old, new.path, label, pid)
        moved_back = await self._judge_below(new, old.path, label, pid) if is_exchange else {}
        # From here on nothing waits: what was judged is looked at once more, and then it moves.
        if content != self._guarded_content(old, new.path) or moved != self._guarded_below(old, new.path):
            raise fail(errno.EACCES)
        if is_exchange and (
            back != self._guarded_content(new, old.path) or moved_back != self._guarded_below(new, old.path)
        ):
            raise fail(errno.EACCES)
        if names is not None and names != self._names_below(old):
            raise fail(errno.EACCES)
        if back_names is not None and back_names != self._names_below(new):
            raise fail(errno.EACCES)
        self._move(old, new, flags)

    def _look(self, parent: Node, name: bytes) -> End:
        path = self._permits.path_of(parent, name)
        try:
            found = self._backing.name_stat(parent, name)
        except FileNotFoundError:
            return End(parent, name, path, None, None)
        assert parent.place is not None
        return End(parent, name, path, found, parent.place.nodes.get(found.key))

    async def _labels(self, old: End, new: End) -> tuple[Label, bool, dict[str, bool] | None]:
        """Return what moving `old` to `new` is labelled.

        That is the highest label that takes part, whether a label would become lower, and the names below that were
        looked at for it.
        """
        of = self._permits.labels.of
        carried = self._permits.label_at(old.parent, old.name, old.path, old.node)
        there = self._permits.label_at(new.parent, new.name, new.path, new.node)
        lowers = carried.rank > of(new.path).rank
        label = highest(carried, there, of(new.path))
        if old.stat is None:
            return label, False, None
        if old.stat.is_symlink:
            label = highest(label, self._permits.labels.of_link(new.path))
        lowers = lowers or self._evades_guard(old, new.path)
        if not old.stat.is_dir or not self._permits.labels.may_differ_below(old.path, new.path):
            return label, lowers, None
        names = await self._look_below(old)
        of_link = self._permits.labels.of_link
        for rest, is_link in names.items():
            before, after = of(old.path + rest), (of_link if is_link else of)(new.path + rest)
            lowers = lowers or before.rank > after.rank
            label = highest(label, before, after)
        return label, lowers, names

    def _evades_guard(self, end: End, new_path: str) -> bool:
        """True for what a guard cannot judge under a new path: where a link leads, and other names of a file."""
        if end.stat is None or end.stat.is_dir:
            return False
        if end.stat.is_symlink and is_refused_link(new_path, self._target(end)):
            return True
        return self._permits.guard_for(new_path) is not None and (end.stat.is_symlink or end.stat.nlink > 1)

    def _target(self, end: End) -> str:
        return spell(os.readlink(end.name, dir_fd=self._backing.directory(end.parent)))

    async def _look_below(self, end: End) -> dict[str, bool]:
        """Return the relative paths of all that would move along, gathered off the loop.

        Raises:
            OSError: EACCES, when there is too much to look at.
        """
        top = self._open(end)
        try:
            return await trio.to_thread.run_sync(names_below, top, _MOST_MOVED)
        except TooMany:
            raise fail(errno.EACCES) from None

    def _names_below(self, end: End) -> dict[str, bool]:
        try:
            return names_below(self._open(end), _MOST_MOVED)
        except TooMany:
            raise fail(errno.EACCES) from None

    def _open(self, end: End) -> int:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
        return os.open(end.name, flags, dir_fd=self._backing.directory(end.parent))

    def _guarded_content(self, end: End, new_path: str) -> bytes | None:
        """Return what must be judged before a file may have a new path; None when the path has no guard."""
        if end.stat is None or not end.stat.is_file or self._permits.guard_for(new_path) is None:
            return None
        return read_whole(end.name, self._backing.directory(end.parent), end.stat.key)

    def _guarded_below(self, end: End, new_path: str) -> dict[str, bytes]:
        """Return the content of every guarded file that a moving directory brings into a git directory.

        Only there a guard is stricter than in the place where the file was written.
        """
        if end.stat is None or not end.stat.is_dir or not _enters_git(end.path, new_path):
            return {}
        found = {}
        try:
            for rest, entry, fd in entries(self._open(end)):
                if entry.is_symlink() and is_refused_link(new_path + rest, os.readlink(entry.name, dir_fd=fd)):
                    raise fail(errno.EACCES)
                if self._permits.guard_for(new_path + rest) is None or entry.is_dir(follow_symlinks=False):
                    continue
                if not entry.is_file(follow_symlinks=False):
                    raise fail(errno.EACCES)
                found[rest] = read_whole(os.fsencode(entry.name), fd)
                if len(found) > _MOST_GUARDED:
                    raise TooMany
        except TooMany:
            raise fail(errno.EACCES) from None
        return found

    async def _judge_below(self, end: End, new_path: str, label: Label, pid: int) -> dict[str, bytes]:
        """Ask for every guarded file in a directory that moves."""
        found = self._guarded_below(end, new_path)
        for rest, content in found.items():
            args = FsRename(new_path + rest)
            spot = Spot(end.parent, end.path + rest, label)
            await self._permits.on_path(spot, Tool.FS_RENAME, args, pid, content=content)
        return found

    def _move(self, old: End, new: End, flags: int) -> None:
        """Do it, if both ends are still what was judged."""
        is_exchange = bool(flags & kernel.RENAME_EXCHANGE)
        self._look_again(old, new.path)
        self._look_again(new, old.path if is_exchange else None)
        replaced = None if is_exchange else new.node
        if replaced is not None and replaced is not old.node and replaced.more is None:
            self._backing.pin(replaced)
        source, target = self._backing.pair(old.parent, new.parent)
        kernel.renameat2(source, old.name, target, new.name, flags)
        if old.key is not None and old.key == new.key:
            return  # two names of one object: rename(2) does nothing
        self._core.watches.renamed((old.parent, old.name), (new.parent, new.name), is_exchange=is_exchange)
        if replaced is not None:
            self._table.drop_name(replaced, new.parent, new.name)
        if is_exchange and new.node is not None:
            self._rename_node(new.node, new, old)
        if old.node is not None:
            self._rename_node(old.node, old, new)

    def _look_again(self, end: End, new_path: str | None) -> None:
        """Make sure that an end is what was judged; `new_path` is where it goes.

        Raises:
            OSError: ESTALE, when it is not; EACCES, when it got another name while a thread read directories.
        """
        now = self._look(end.parent, end.name)
        if (now.path, now.key) != (end.path, end.key):
            raise fail(errno.ESTALE)
        if new_path is not None and self._evades_guard(now, new_path):
            raise fail(errno.EACCES)

    def _rename_node(self, node: Node, old: End, new: End) -> None:
        if isinstance(node, Fixed):
            raise AssertionError("a fixed name was moved")
        self._permits.settle(node)  # what it was labelled until now sticks
        if node.is_dir:
            self._table.add_name(node, new.parent, new.name)
        else:
            self._table.add_name(node, new.parent, new.name)
            self._table.drop_name(node, old.parent, old.name)
        self._permits.settle(node)


def _enters_git(old: str, new: str) -> bool:
    """Return True when a move brings something into a git directory from outside of any."""
    return is_in_git_directory(new + "/") and not is_in_git_directory(old + "/")
