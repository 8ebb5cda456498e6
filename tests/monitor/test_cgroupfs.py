"""Where groups can be made: read from any host's text, and tried on directories that stand for such a host."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.monitor import cgroupfs
from gmcp_sandbox.monitor.cgroupfs import Place, parse_mounts, parse_own

UNIFIED = "30 24 0:26 / {top} rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
MEMORY = "31 24 0:27 / {top}/memory rw - cgroup cgroup rw,memory\n"
CPU = "32 24 0:28 / {top}/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"


def place(mounts: str, own: str, controller: str) -> Place | None:
    return cgroupfs._place(controller, parse_mounts(mounts.splitlines()), parse_own(own.splitlines()))


def group(path: Path, *given_to_children: str) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / "cgroup.procs").touch()
    (path / "cgroup.subtree_control").write_text(" ".join(given_to_children) + "\n")
    return path


def test_version_1_is_below_the_callers_own_group(tmp_path: Path) -> None:
    own = group(tmp_path / "memory" / "mine")
    assert place(MEMORY.format(top=tmp_path), "4:memory:/mine\n", "memory") == Place("memory", 1, str(own))


def test_controllers_that_are_mounted_together_are_found_apart(tmp_path: Path) -> None:
    group(tmp_path / "cpu,cpuacct")
    found = place(CPU.format(top=tmp_path), "2:cpu,cpuacct:/\n", "cpu")
    assert found == Place("cpu", 1, str(tmp_path / "cpu,cpuacct"))


def test_version_2_is_the_nearest_group_whose_children_have_the_controller(tmp_path: Path) -> None:
    group(tmp_path, "memory", "pids")
    slice_ = group(tmp_path / "user.slice", "memory")
    group(tmp_path / "user.slice" / "shell.scope")
    mounts, own = UNIFIED.format(top=tmp_path), "0::/user.slice/shell.scope\n"
    assert place(mounts, own, "memory") == Place("memory", 2, str(slice_))
    assert place(mounts, own, "pids") == Place("pids", 2, str(tmp_path))
    assert place(mounts, own, "cpu") is None


def test_both_versions_side_by_side(tmp_path: Path) -> None:
    group(tmp_path / "unified")
    group(tmp_path / "memory")
    mounts = UNIFIED.format(top=tmp_path / "unified") + MEMORY.format(top=tmp_path)
    found = place(mounts, "4:memory:/\n0::/\n", "memory")
    assert found == Place("memory", 1, str(tmp_path / "memory"))


def test_a_group_that_takes_no_processes_is_no_place(tmp_path: Path) -> None:
    (group(tmp_path / "memory") / "cgroup.procs").unlink()
    assert place(MEMORY.format(top=tmp_path), "4:memory:/\n", "memory") is None


def test_a_group_outside_of_what_is_mounted_is_no_place(tmp_path: Path) -> None:
    shown = f"31 24 0:27 /docker/1f {tmp_path} rw - cgroup cgroup rw,memory\n"
    group(tmp_path)
    assert place(shown, "4:memory:/docker/1f\n", "memory") == Place("memory", 1, str(tmp_path))
    assert place(shown, "4:memory:/docker/1f2\n", "memory") is None
    assert place(shown, "4:memory:/docker/1f/../../x\n", "memory") is None


def test_a_blank_in_a_mount_point_is_undone(tmp_path: Path) -> None:
    own = group(tmp_path / "a b")
    mounts = MEMORY.format(top=str(tmp_path)).replace("/memory ", "/a\\040b ", 1)
    assert place(mounts, "4:memory:/\n", "memory") == Place("memory", 1, str(own))


@given(st.lists(st.text(max_size=80), max_size=6), st.lists(st.text(max_size=80), max_size=6))
def test_any_text_is_read_without_harm(mounts: list[str], own: list[str]) -> None:
    hierarchies, groups = parse_mounts(mounts), parse_own(own)
    for controller in cgroupfs.CONTROLLERS:
        cgroupfs._place(controller, hierarchies, groups)


def test_this_host_is_read() -> None:
    for controller, found in cgroupfs.find_places().items():
        assert found.controller == controller in cgroupfs.CONTROLLERS
        assert os.path.isdir(found.path)
