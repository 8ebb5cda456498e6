"""Look at everything below a directory, and at whole files, without following links and bounded."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from gmcp_sandbox.fs.stats import Key, stat_fd

LARGEST_JUDGED = 1 << 20
"""A guarded file may not be longer: its whole content is judged at each change."""

_DIRECTORY = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_DEEPEST = 512


class TooMany(Exception):
    """There is more than may be looked at, or it is too deep."""


def names_below(top: int, most: int) -> dict[str, bool]:
    """Return relative paths (`/a`, `/a/b`) of all that is below a directory, and whether each is a symbolic link.

    Closes `top`.

    Raises:
        TooMany: more than `most`.
        OSError: something cannot be read.
    """
    found: dict[str, bool] = {}
    for path, entry, _fd in entries(top):
        found[path] = entry.is_symlink()
        if len(found) > most:
            raise TooMany
    return found


def read_whole(name: bytes, directory: int, key: Key | None = None) -> bytes:
    """Return all that a regular file says.

    Raises:
        OSError: EACCES, when it is too long to be judged; ESTALE, when it is not the object of `key` (None: any).
    """
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=directory)
    try:
        if key is not None and stat_fd(fd).key != key:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return read_judged(fd)
    finally:
        os.close(fd)


def read_judged(fd: int) -> bytes:
    """Return all that an open file says, from its start.

    Raises:
        OSError: EACCES, when it is too long to be judged.
    """
    parts = []
    length = 0
    while part := os.pread(fd, LARGEST_JUDGED + 1 - length, length):
        parts.append(part)
        length += len(part)
        if length > LARGEST_JUDGED:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    return b"".join(parts)


def entries(top: int, *, skip_unreadable: bool = False) -> Iterator[tuple[str, os.DirEntry[str], int]]:
    """Yield (relative path, entry, descriptor of its directory) for all below `top`; closes `top`.

    Args:
        top: A readable directory descriptor.
        skip_unreadable: Pass over directories that the host does not let us read.

    Raises:
        TooMany: deeper than any tree that people make; each level holds a descriptor.
        OSError: something cannot be read.
    """
    levels: list[tuple[str, int, list[os.DirEntry[str]]]] = []
    opened = [top]
    try:
        levels.append(("", top, _read(top)))
        while levels:
            path, fd, left = levels[-1]
            if not left:
                levels.pop()
                os.close(opened.pop())
                continue
            entry = left.pop()
            where = f"{path}/{entry.name}"
            yield where, entry, fd
            if entry.is_dir(follow_symlinks=False):
                if len(levels) >= _DEEPEST:
                    raise TooMany
                child = _enter(entry.name, fd, skip_unreadable)
                if child is None:
                    continue
                opened.append(child)
                levels.append((where, child, _read(child)))
    finally:
        for fd in opened:
            os.close(fd)


def _enter(name: str, fd: int, skip_unreadable: bool) -> int | None:
    """Open a directory; None when it is gone meanwhile, or may be passed over."""
    try:
        return os.open(name, _DIRECTORY, dir_fd=fd)
    except FileNotFoundError:
        return None
    except PermissionError:
        if skip_unreadable:
            return None
        raise


def _read(fd: int) -> list[os.DirEntry[str]]:
    with os.scandir(fd) as listing:
        return list(listing)
