"""The view as a value: order, fixed paths, and what covers a path."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.labels import OUTSIDE, SYSTEM, WORKSPACE
from gmcp_sandbox.policy.profile import Mount, MountMode
from gmcp_sandbox.policy.view import View, ancestors

PATHS = st.lists(st.sampled_from(["a", "b", "a b", "a-b"]), min_size=1, max_size=4).map(
    lambda names: "/" + "/".join(names)
)


def tree(path: str, mode: MountMode = MountMode.RO) -> Mount:
    return Mount(path, path, mode, SYSTEM)


@given(st.lists(PATHS, max_size=8))
def test_parents_come_before_children_and_nothing_twice(paths: list[str]) -> None:
    shown = [mount.path for mount in View.of(map(tree, paths)).mounts]
    assert sorted(shown) == sorted(set(paths))
    for index, path in enumerate(shown):
        assert not any(later in ancestors(path) for later in shown[index:])


def test_the_later_mount_wins_and_a_mount_wins_over_a_link() -> None:
    view = View.of([tree("/w"), tree("/w", MountMode.RW)], [("/w", "x"), ("/bin", "usr/bin")])
    assert [mount.mode for mount in view.mounts] == [MountMode.RW]
    assert view.symlinks == (("/bin", "usr/bin"),)


def test_fixed_paths_are_mountpoints_links_and_all_above() -> None:
    hidden = Mount("/home/u/w/x", None, MountMode.HIDDEN, OUTSIDE)
    view = View.of([tree("/home/u/w"), hidden], [("/bin", "usr/bin")])
    assert view.fixed_paths() == {"/", "/dev", "/proc", "/home", "/home/u", "/home/u/w", "/bin"}
    assert view.fixed_names("/") == ("bin", "dev", "home", "proc")
    assert view.fixed_names("/home/u") == ("w",)


def test_the_innermost_mount_covers() -> None:
    inner = Mount("/a/b", "/x", MountMode.RW, WORKSPACE)
    view = View.of([tree("/a"), inner])
    assert view.mount_of("/a/b/c") == inner
    assert view.mount_of("/a/bc") == tree("/a")
    assert view.mount_of("/z") is None
