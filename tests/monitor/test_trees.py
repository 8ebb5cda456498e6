"""Trees of agents are removed whatever they hold, and nothing beside them."""

from __future__ import annotations

import os
from pathlib import Path

from gmcp_sandbox.monitor.trees import remove_tree


def remove(path: Path) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        remove_tree(path.name, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def test_a_tree_of_any_depth_goes(tmp_path: Path) -> None:
    top = tmp_path / "t"
    top.mkdir()
    at = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(1500):
        os.mkdir("d" * 50, dir_fd=at)
        below = os.open("d" * 50, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    remove(top)
    assert not top.exists()


def test_links_are_not_followed_and_modes_do_not_matter(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    top = tmp_path / "t"
    (top / "1" / "closed").mkdir(parents=True)
    (top / "link").symlink_to(kept)
    (top / "1" / "closed" / "deep").symlink_to(kept)
    os.mkfifo(top / "1" / "fifo")
    (top / "1" / "closed").chmod(0)
    (top / "1").chmod(0)
    remove(top)
    assert not top.exists()
    assert (kept / "file").read_text() == "x"


def test_a_missing_tree_is_fine(tmp_path: Path) -> None:
    remove(tmp_path / "none")
