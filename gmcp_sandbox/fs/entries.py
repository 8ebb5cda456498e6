"""Fill the kernel's reply about an object in one go, with node id and inode number apart.

pyfuse3's `EntryAttributes` sets both from one property. The C structure inside of the Python object is

    struct fuse_entry_param { u64 ino; u64 generation; struct stat attr; double attr_timeout; double entry_timeout; }

(libfuse, fuse_lowlevel.h). Where it lies and how `struct stat` is laid out is proved at start against the object's own
properties; on any difference there is no service.
"""

from __future__ import annotations

import ctypes  # noqa: TID251 - no system call: the memory of a Python object
import platform
import struct
from typing import Any

from gmcp_sandbox.errors import HostError

_LAYOUTS = {
    # node (generation) | (dev) ino nlink mode uid gid pad rdev size blksize blocks atime mtime ctime reserved | valid
    "x86_64": ("<Q8x 8xQQIII4xQqqq qqqqqq 24x dd", False),
    # node (generation) | (dev) ino mode nlink uid gid rdev pad size blksize pad blocks atime mtime ctime reserved | …
    "aarch64": ("<Q8x 8xQIIIIQ8xqi4xq qqqqqq 8x dd", True),
}


class Entry:
    """One reply object that is used again for each reply.

    The caller hands `object` to the reply at once; nothing may wait between filling and replying.
    """

    def __init__(self, kind: type[Any]) -> None:
        """Prove the layout of `kind` (pyfuse3.EntryAttributes).

        Raises:
            HostError: this build lays it out in another way.
        """
        layout, self._mode_first = _LAYOUTS.get(platform.machine(), ("", False))
        if not layout:
            raise HostError(f"cannot serve on {platform.machine()}", cause="the layout of struct stat is not known")
        structure = struct.Struct(layout)
        self._pack = structure.pack_into
        self.object = kind()
        offset = kind.__basicsize__ - ctypes.sizeof(ctypes.c_void_p) - structure.size
        if offset < object.__basicsize__:
            raise HostError("cannot serve with this pyfuse3", cause="EntryAttributes has another size")
        self._memory = (ctypes.c_char * structure.size).from_address(id(self.object) + offset)
        self._prove()

    def fill(self, node: int, number: int, mode: int, nlink: int, *rest: float) -> None:
        """Write all fields.

        `rest` is uid, gid, rdev, size, blksize, blocks, then atime, mtime and ctime, each seconds and nanoseconds, then
        how long the attributes and the entry are valid, in seconds.
        """
        if self._mode_first:
            self._pack(self._memory, 0, node, number, mode, nlink, *rest)
        else:
            self._pack(self._memory, 0, node, number, nlink, mode, *rest)

    def _prove(self) -> None:
        """Set every property, read the memory; write the memory, read every property."""
        entry = self.object
        values = {
            "st_mode": 0o100643, "st_nlink": 3, "st_uid": 1004, "st_gid": 1005, "st_rdev": 0x106, "st_size": 1 << 40,
            "st_blksize": 512, "st_blocks": 77, "st_atime_ns": 5_000_000_006, "st_mtime_ns": 7_000_000_008,
            "st_ctime_ns": 9_000_000_010, "attr_timeout": 11.5, "entry_timeout": 12.5,
        }  # fmt: skip
        entry.st_ino = 0x1234567890
        for name, value in values.items():
            setattr(entry, name, value)
        before = bytes(self._memory)
        rest = (1004, 1005, 0x106, 1 << 40, 512, 77, 5, 6, 7, 8, 9, 10, 11.5, 12.5)
        self.fill(0x1234567890, 0x1234567890, 0o100643, 3, *rest)
        if bytes(self._memory) != before or any(getattr(entry, name) != value for name, value in values.items()):
            raise HostError("cannot serve with this pyfuse3", cause="EntryAttributes is laid out in another way")
        self.fill(7, 8, 0, 0, *(0,) * 14)
        if entry.st_ino != 7 or entry.st_mode != 0 or entry.attr_timeout != 0.0:
            raise HostError("cannot serve with this pyfuse3", cause="EntryAttributes is laid out in another way")
