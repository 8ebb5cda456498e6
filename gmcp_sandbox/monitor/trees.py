"""Remove a tree that an agent made: any depth, any modes, no link followed."""

from __future__ import annotations

import os
import stat


def remove_tree(name: str, *, dir_fd: int) -> None:
    """Remove a directory and all that is in it; nothing must use it any more. A missing one is fine.

    Subdirectories are moved up to the top before they are emptied, so that no depth is too deep for descriptors, the
    stack or PATH_MAX.

    Raises:
        OSError: Something in it cannot be removed.
    """
    try:
        top = _open_directory(name, dir_fd)
    except FileNotFoundError:
        return
    try:
        moved = 0
        while names := os.listdir(top):
            for entry in names:
                moved = _remove_entry(entry, top, moved)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=dir_fd)


def _remove_entry(entry: str, top: int, moved: int) -> int:
    """Remove one entry of the top; return the number of directories moved up so far."""
    if not _is_directory(entry, top):
        os.unlink(entry, dir_fd=top)
        return moved
    inner = _open_directory(entry, top)
    try:
        for name in os.listdir(inner):
            if not _is_directory(name, inner):
                os.unlink(name, dir_fd=inner)
                continue
            os.close(_open_directory(name, inner))  # makes it movable: its `..` is written
            moved += 1
            while _exists(f"{moved:x}", top):
                moved += 1
            os.rename(name, f"{moved:x}", src_dir_fd=inner, dst_dir_fd=top)
    finally:
        os.close(inner)
    os.rmdir(entry, dir_fd=top)
    return moved


def _is_directory(name: str, dir_fd: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode)


def _exists(name: str, dir_fd: int) -> bool:
    try:
        os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _open_directory(name: str, dir_fd: int) -> int:
    """Open a directory after making it readable, writable and searchable for its owner."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    facts = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    if stat.S_ISDIR(facts.st_mode) and facts.st_mode & 0o700 != 0o700:
        os.chmod(name, 0o700, dir_fd=dir_fd)
    return os.open(name, flags, dir_fd=dir_fd)
