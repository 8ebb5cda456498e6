"""Toolchains behind PATH and virtual environments, as trees on a disk of the test's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gmcp_sandbox.monitor.toolchains import Toolchains


class Disk:
    """A home directory with a workspace in it."""

    def __init__(self, top: Path) -> None:
        self.home = top / "home"
        self.workspace = self.home / "work"
        self.workspace.mkdir(parents=True)

    def program(self, name: str) -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return path

    def prefix(self, name: str) -> Path:
        self.program(f"{name}/bin/python3")
        (self.home / name / "lib").mkdir()
        return self.home / name

    def look(self, *path: Path | str, **environ: str) -> Toolchains:
        def source_of(place: str) -> str | None:
            return place if place.startswith(("/usr/", str(self.workspace) + "/")) else None

        def is_secret(place: str) -> bool:
            return "/.ssh" in place

        tools = Toolchains(str(self.home), str(self.workspace), source_of, is_secret)
        tools.discover({"PATH": ":".join(map(str, path)), **environ})
        return tools


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(Path(os.path.realpath(tmp_path)))


def shown(tools: Toolchains) -> set[str]:
    mounts = tools.mounts()
    assert all(mount.path == mount.source and mount.executable for mount in mounts)
    return {mount.path for mount in mounts}


def test_a_prefix_is_shown_whole(disk: Disk) -> None:
    node = disk.prefix(".nvm/versions/node/v20")
    assert shown(disk.look(node / "bin")) == {str(node)}


def test_pyenv_is_shown_whole(disk: Disk) -> None:
    disk.prefix(".pyenv/versions/3.12.1")
    disk.program(".pyenv/shims/python3")
    assert shown(disk.look(disk.home / ".pyenv/shims")) == {str(disk.home / ".pyenv")}


def test_a_plain_directory_of_programs_is_shown_alone(disk: Disk) -> None:
    disk.program("bin/tool")
    disk.program(".local/bin/tool")
    (disk.home / ".local/lib").mkdir()
    (disk.home / "lib").mkdir()
    assert shown(disk.look(disk.home / "bin", disk.home / ".local/bin")) == {
        str(disk.home / "bin"),
        str(disk.home / ".local/bin"),
    }


def test_never_the_home_or_what_is_above(disk: Disk) -> None:
    disk.program("python3")
    tools = disk.look(disk.home, disk.home.parent, "/", "/root")
    assert shown(tools) == set()
    assert any(str(disk.home) in note for note in tools.notes)


def test_never_a_secret(disk: Disk) -> None:
    disk.program(".ssh/tool")
    assert shown(disk.look(disk.home / ".ssh")) == set()


def test_links_lead_to_their_tree_in_chains(disk: Disk) -> None:
    real = disk.prefix(".local/share/uv/python/cpython-3.12.4")
    (real.parent / "cpython-3.12").symlink_to("cpython-3.12.4")
    disk.program(".local/bin/other")
    (disk.home / ".local/bin/python3.12").symlink_to(real.parent / "cpython-3.12/bin/python3")
    tools = disk.look(disk.home / ".local/bin")
    assert shown(tools) == {str(disk.home / ".local/bin"), str(real)}
    assert tools.links[str(real.parent / "cpython-3.12")] == "cpython-3.12.4"


def test_rust_proxies_bring_their_toolchains(disk: Disk) -> None:
    disk.program(".cargo/bin/cargo")
    (disk.home / ".rustup/toolchains").mkdir(parents=True)
    assert shown(disk.look(disk.home / ".cargo/bin")) == {str(disk.home / ".cargo/bin"), str(disk.home / ".rustup")}


def environment(place: Path, home: Path | str, link: Path | str) -> None:
    (place / "bin").mkdir(parents=True)
    (place / "lib").mkdir()
    (place / "pyvenv.cfg").write_text(f"home = {home}\nversion = 3.12\n")
    (place / "bin/python3").symlink_to(link)


def test_a_workspace_environment_leads_to_a_recognised_interpreter(disk: Disk) -> None:
    base = disk.prefix(".pyenv/versions/3.12.4")
    (base.parent / "3.12").symlink_to("3.12.4")
    environment(disk.workspace / ".venv", base.parent / "3.12/bin", base.parent / "3.12/bin/python3")
    tools = disk.look()
    assert shown(tools) == {str(base)}
    assert tools.links == {str(base.parent / "3.12"): "3.12.4"}


@pytest.mark.parametrize("target", ["documents", ".ssh", ".", "..", ".config/app", "fake/uv/python"])
def test_a_workspace_environment_cannot_open_another_tree(disk: Disk, target: str) -> None:
    disk.program(f"{target}/bin/python3")
    environment(disk.workspace / ".venv", disk.home / target / "bin", disk.home / target / "bin/python3")
    assert shown(disk.look()) == set()


def test_an_active_environment_elsewhere_brings_its_base(disk: Disk) -> None:
    base = disk.prefix("opt/python-3.12")
    environment(disk.home / "envs" / "tool", base / "bin", base / "bin/python3")
    assert shown(disk.look(VIRTUAL_ENV=str(disk.home / "envs/tool"))) == {str(disk.home / "envs/tool"), str(base)}


def test_links_of_the_workspace_are_not_followed_out(disk: Disk) -> None:
    disk.program("documents/secret")
    (disk.workspace / "bin").mkdir()
    (disk.workspace / "bin/x").symlink_to(disk.home / "documents/secret")
    assert shown(disk.look(disk.workspace / "bin")) == set()


def test_a_link_of_the_workspace_to_another_environment_is_a_hint(disk: Disk) -> None:
    base = disk.prefix(".pyenv/versions/3.12.4")
    environment(disk.home / "other", base / "bin", base / "bin/python3")
    (disk.workspace / ".venv").symlink_to(disk.home / "other")
    for tools in (
        disk.look(),
        disk.look(disk.workspace / ".venv/bin", VIRTUAL_ENV=str(disk.workspace / ".venv")),
    ):
        assert shown(tools) == {str(base)}
