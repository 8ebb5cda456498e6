from __future__ import annotations

import os
from pathlib import Path

import pytest

from gmcp_sandbox.calls.labels import SCRATCH, SYSTEM, WORKSPACE
from gmcp_sandbox.errors import HostError
from gmcp_sandbox.fs.nodes import NodeTable
from gmcp_sandbox.fs.tree import Tree
from gmcp_sandbox.policy.profile import Mount, MountMode
from gmcp_sandbox.policy.view import View


def build(*mounts: Mount, links: tuple[tuple[str, str], ...] = (), backings: dict[str, int] | None = None) -> Tree:
    return Tree(View.of(mounts, links), backings or {}, NodeTable())


def test_mountpoints_ancestors_links_and_the_kernels_directories(tmp_path: Path) -> None:
    tree = build(Mount("/a/b", str(tmp_path), MountMode.RW, WORKSPACE), links=(("/bin", "usr/bin"),))
    assert tree.root.id == 1
    assert set(tree.root.children or ()) == {b"a", b"bin", b"dev", b"proc"}
    assert (tree.root.children or {})[b"bin"].target == b"usr/bin"
    between = (tree.root.children or {})[b"a"]
    assert between.place is None
    mount = (between.children or {})[b"b"]
    assert tree.stat(mount).ino == tmp_path.stat().st_ino
    tree.close()


def test_a_scratch_tree_gets_the_directories_that_lead_into_it(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "work").mkdir()
    fd = os.open(tmp_path / "scratch", os.O_PATH)
    tree = build(
        Mount("/home/u", None, MountMode.SCRATCH, SCRATCH),
        Mount("/home/u/p/work", str(tmp_path / "work"), MountMode.RW, WORKSPACE),
        backings={"/home/u": fd},
    )
    os.close(fd)
    assert (tmp_path / "scratch" / "p").is_dir()
    assert not (tmp_path / "scratch" / "p" / "work").is_symlink()
    tree.close()


def test_a_file_can_be_mounted(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    tree = build(Mount("/etc/f", str(tmp_path / "f"), MountMode.RO, SYSTEM))
    node = ((tree.root.children or {})[b"etc"].children or {})[b"f"]
    assert node.is_file
    assert node.children is None
    tree.close()


def test_a_source_behind_a_link_or_absent_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "absent", "fifo"):
        with pytest.raises(HostError):
            build(Mount("/ws", str(tmp_path / name), MountMode.RW, WORKSPACE))
    with pytest.raises(HostError):
        build(Mount("/tmp", None, MountMode.SCRATCH, SCRATCH))


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    tree = build(Mount("/a", str(tmp_path), MountMode.RW, WORKSPACE), Mount("/", "/", MountMode.RO, SYSTEM))
    tree.close()
    assert len(os.listdir("/proc/self/fd")) == before
