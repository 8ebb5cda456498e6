from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gmcp_sandbox.fs.stats import stat_at
from gmcp_sandbox.fs.walk import LARGEST_JUDGED, TooMany, names_below, read_whole


def opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


def test_everything_below_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "f").write_text("")
    (tmp_path / "a" / "l").symlink_to("/usr")
    assert names_below(opened(tmp_path), 10) == {"/a": False, "/a/b": False, "/a/f": False, "/a/l": True}


def test_bounds_on_number_and_depth(tmp_path: Path) -> None:
    for index in range(3):
        (tmp_path / str(index)).mkdir()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(TooMany):
        names_below(opened(tmp_path), 2)
    at = opened(tmp_path)
    for _ in range(600):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    with pytest.raises(TooMany):
        names_below(opened(tmp_path), 10_000)
    assert len(os.listdir("/proc/self/fd")) == before


def test_whole_files_up_to_a_bound(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * LARGEST_JUDGED)
    (tmp_path / "g").write_bytes(b"x" * (LARGEST_JUDGED + 1))
    top = opened(tmp_path)
    assert len(read_whole(b"f", top)) == LARGEST_JUDGED
    with pytest.raises(PermissionError):
        read_whole(b"g", top)
    with pytest.raises(OSError) as caught:
        read_whole(b"g", top, stat_at(top, b"f").key)
    assert caught.value.errno == errno.ESTALE
    os.close(top)
