from __future__ import annotations

import pytest

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.fs.entries import Entry

pyfuse3 = pytest.importorskip("pyfuse3")


def test_node_id_and_inode_number_are_apart() -> None:
    entry = Entry(pyfuse3.EntryAttributes)
    entry.fill(5, 99, 0o100644, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1.5, 2.5)
    shown = entry.object
    assert shown.st_ino == 5  # pyfuse3 tells the node id here; the kernel gets 99 as the inode number
    assert (shown.st_mode, shown.st_nlink, shown.st_uid, shown.st_gid, shown.st_rdev) == (0o100644, 2, 1, 2, 3)
    assert (shown.st_size, shown.st_blksize, shown.st_blocks) == (4, 5, 6)
    assert (shown.st_atime_ns, shown.st_mtime_ns, shown.st_ctime_ns) == (7 * 10**9 + 8, 9 * 10**9 + 10, 11 * 10**9 + 12)
    assert (shown.attr_timeout, shown.entry_timeout) == (1.5, 2.5)


def test_another_layout_is_refused() -> None:
    class Other:
        pass

    with pytest.raises(HostError):
        Entry(Other)
