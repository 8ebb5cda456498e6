"""What the kernel says about a host object, birth time included, as fast as Python can ask.

- One reusable buffer: only the thread that serves requests calls `stat_at` and `stat_fd`; threads use `kernel.statx`.
- `Stat.key` names an object for good: device, inode and birth time, so that a reused inode number is another object.

Source: statx(2), include/uapi/linux/stat.h for the offsets.
"""

from __future__ import annotations

import ctypes  # noqa: TID251 - `kernel.statx` costs twice as much, and this is asked at every look-up
import os
import stat
import struct
from typing import NamedTuple

_statx = ctypes.CDLL(None, use_errno=True).statx
_statx.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)
_statx.restype = ctypes.c_int
_BUFFER = ctypes.create_string_buffer(256)
_ADDRESS = ctypes.addressof(_BUFFER)
_LAYOUT = struct.Struct("<II8xIIIH2xQQQ8xqI4xqI4xqI4xqI4xIIII")
_unpack = _LAYOUT.unpack_from

_WANTED = 0x0FFF  # STATX_BASIC_STATS | STATX_BTIME
_NOFOLLOW = 0x100 | 0x800  # AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT
_EMPTY_PATH = 0x1000

Key = tuple[int, int, int]


class Stat(NamedTuple):
    """Attributes in the order in which statx(2) lays them out."""

    mask: int
    blksize: int
    nlink: int
    uid: int
    gid: int
    mode: int
    ino: int
    size: int
    blocks: int
    atime_s: int
    atime_ns: int
    btime_s: int
    btime_ns: int
    ctime_s: int
    ctime_ns: int
    mtime_s: int
    mtime_ns: int
    rdev_major: int
    rdev_minor: int
    dev_major: int
    dev_minor: int

    def is_unchanged_since(self, before: Stat) -> bool:
        """True when neither content nor attributes were changed: nobody can set the ctime."""
        return (self.size, self.ctime_s, self.ctime_ns) == (before.size, before.ctime_s, before.ctime_ns)

    @property
    def key(self) -> Key:
        """What names this object: (device, inode, birth time in ns)."""
        return (self.dev_major << 32 | self.dev_minor, self.ino, self.btime_s * 1_000_000_000 + self.btime_ns)

    @property
    def rdev(self) -> int:
        """The device that a device node stands for."""
        return os.makedev(self.rdev_major, self.rdev_minor)

    @property
    def is_dir(self) -> bool:
        """True for a directory."""
        return self.mode & 0o170000 == stat.S_IFDIR

    @property
    def is_file(self) -> bool:
        """True for a regular file."""
        return self.mode & 0o170000 == stat.S_IFREG

    @property
    def is_symlink(self) -> bool:
        """True for a symbolic link."""
        return self.mode & 0o170000 == stat.S_IFLNK

    @property
    def is_set_id(self) -> bool:
        """True when running the file would change ids."""
        return bool(self.mode & 0o6000) and self.is_file


def _read(fd: int, name: bytes, flags: int) -> Stat:
    if _statx(fd, name, flags, _WANTED, _ADDRESS):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return tuple.__new__(Stat, _unpack(_BUFFER))


def stat_at(fd: int, name: bytes) -> Stat:
    """Return the attributes of `name` in the directory `fd`, of a symbolic link itself."""
    return _read(fd, name, _NOFOLLOW)


def stat_fd(fd: int) -> Stat:
    """Return the attributes of the object that `fd` refers to."""
    return _read(fd, b"", _EMPTY_PATH)


def synthetic(mode: int, number: int, at_s: int, size: int = 0) -> Stat:
    """Return attributes for an object that exists in the view only."""
    nlink = 2 if stat.S_ISDIR(mode) else 1
    times = (at_s, 0) * 4
    return Stat(0, 4096, nlink, 0, 0, mode, number, size, 0, *times, 0, 0, 0, 0)
