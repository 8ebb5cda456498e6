from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gmcp_sandbox import kernel
from gmcp_sandbox.fs.stats import stat_at, stat_fd, synthetic


def test_the_same_as_the_kernel_says(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 5000)
    os.utime(tmp_path / "f", ns=(1_000_000_001, 2_000_000_002))
    top = os.open(tmp_path, os.O_PATH)
    found, known, exact = stat_at(top, b"f"), os.stat(tmp_path / "f"), kernel.statx(top, b"f")
    assert (found.mode, found.ino, found.size, found.nlink) == (known.st_mode, known.st_ino, 5000, 1)
    assert (found.uid, found.gid, found.blocks, found.blksize) == (
        known.st_uid, known.st_gid, known.st_blocks, known.st_blksize,
    )  # fmt: skip
    assert (found.atime_s, found.atime_ns, found.mtime_s, found.mtime_ns) == (1, 1, 2, 2)
    assert found.ctime_s * 10**9 + found.ctime_ns == known.st_ctime_ns
    assert found.key == (os.major(known.st_dev) << 32 | os.minor(known.st_dev), known.st_ino, exact.btime_ns or 0)
    assert found.is_file
    assert stat_fd(top).is_dir
    os.close(top)


def test_links_are_not_followed_and_devices_are_told(tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to("/dev/null")
    top = os.open(tmp_path, os.O_PATH)
    assert stat_at(top, b"l").is_symlink
    os.close(top)
    null = os.open("/dev/null", os.O_RDONLY)
    assert stat_fd(null).rdev == os.fstat(null).st_rdev
    os.close(null)


def test_absence_is_an_error(tmp_path: Path) -> None:
    top = os.open(tmp_path, os.O_PATH)
    with pytest.raises(FileNotFoundError):
        stat_at(top, b"absent")
    os.close(top)


def test_synthetic_attributes() -> None:
    made = synthetic(stat.S_IFDIR | 0o755, 7, 1000)
    assert (made.ino, made.nlink, made.is_dir, made.mtime_s) == (7, 2, True, 1000)
    assert not made.is_set_id
