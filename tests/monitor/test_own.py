from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import gmcp_sandbox
from gmcp_sandbox.calls.labels import SYSTEM, WORKSPACE
from gmcp_sandbox.errors import UsageError
from gmcp_sandbox.monitor.own import OwnPlaces
from gmcp_sandbox.policy.profile import Mount, MountMode


def tree(source: str, mode: MountMode = MountMode.RW) -> Mount:
    return Mount("/ws", source, mode, WORKSPACE, executable=True)


def test_the_running_program_is_known() -> None:
    own = OwnPlaces.of_this_process()
    assert os.path.dirname(os.path.realpath(gmcp_sandbox.__file__)) in own.code
    assert os.path.realpath(sys.prefix) in own.prefixes


def test_code_in_a_workspace_is_shown_read_only() -> None:
    own = OwnPlaces(
        ("/p/pkg", "/p/.venv/lib/x", "/usr/lib/python3"), ("/p/.venv", "/usr"), ("/p/.venv/lib/x", "/usr/lib/python3")
    )
    mounts = {mount.path: mount for mount in own.read_only_in(tree("/p"))}
    assert set(mounts) == {"/ws/pkg", "/ws/.venv"}
    for mount in mounts.values():
        assert (mount.mode, mount.label, mount.executable) == (MountMode.RO, SYSTEM, True)
    assert mounts["/ws/pkg"].source == "/p/pkg"
    assert own.read_only_in(tree("/other")) == own.read_only_in(tree("/p", MountMode.RO)) == []
    assert own.read_only_in(tree("/usr/src/app")) == []


def test_an_environment_that_is_the_workspace_itself_keeps_its_code() -> None:
    own = OwnPlaces(("/p/lib/python3", "/p/bin", "/p/pyvenv.cfg"), ("/p", "/usr"), ("/p/lib/python3",))
    assert [mount.path for mount in own.read_only_in(tree("/p"))] == ["/ws/lib/python3", "/ws/bin", "/ws/pyvenv.cfg"]


@pytest.mark.parametrize("source", ["/p/pkg", "/p/pkg/fs"])
def test_our_code_is_no_workspace(source: str) -> None:
    with pytest.raises(UsageError):
        OwnPlaces(("/p/pkg",), (), ()).read_only_in(tree(source))


@pytest.mark.parametrize("searched", ["/p", "/p/src"])
def test_modules_are_not_looked_for_in_the_workspace(searched: str) -> None:
    with pytest.raises(UsageError, match="cannot be written by an agent"):
        OwnPlaces(("/p/pkg",), ("/usr",), (searched,)).read_only_in(tree("/p"))


def test_places_have_no_links_and_exist(tmp_path: Path) -> None:
    own = OwnPlaces.of_this_process()
    for place in (*own.code, *own.prefixes, *own.searched):
        assert place == os.path.realpath(place)
        assert os.path.exists(place)
