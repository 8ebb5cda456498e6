"""Git directories behind a `.git` file: real worktrees and submodules, and pointers that an agent would forge."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gmcp_sandbox.monitor.gitdir import hook_directories, included_files, linked_git_directories

IDENTITY = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"]


def git(directory: Path, *words: str) -> None:
    subprocess.run(["git", *IDENTITY, *words], cwd=directory, check=True, capture_output=True)


@pytest.fixture
def main(tmp_path: Path) -> Path:
    path = tmp_path / "main"
    path.mkdir()
    git(path, "init", "-q")
    git(path, "commit", "-q", "--allow-empty", "-m", "x")
    return path


def test_a_worktree_leads_to_the_common_directory(main: Path, tmp_path: Path) -> None:
    git(main, "worktree", "add", "-q", "../tree")
    assert linked_git_directories(str(tmp_path / "tree")) == (str(main / ".git"),)


def test_a_submodule_leads_to_its_own_directory(main: Path, tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    git(top, "init", "-q")
    git(top, "submodule", "add", "-q", str(main), "lib")
    assert linked_git_directories(str(top / "lib")) == (str(top / ".git/modules/lib"),)


def test_an_ordinary_repository_has_none(main: Path) -> None:
    assert linked_git_directories(str(main)) == ()
    assert linked_git_directories(str(main.parent)) == ()


def test_a_pointer_to_a_repository_that_does_not_point_back_is_refused(main: Path, tmp_path: Path) -> None:
    git(main, "worktree", "add", "-q", "../tree")
    forged = tmp_path / "forged"
    forged.mkdir()
    for target in (main / ".git", main / ".git/worktrees/tree", tmp_path, Path("/")):
        (forged / ".git").write_text(f"gitdir: {target}\n")
        assert linked_git_directories(str(forged)) == ()


def test_a_common_directory_that_does_not_hold_the_worktree_is_refused(main: Path, tmp_path: Path) -> None:
    git(main, "worktree", "add", "-q", "../tree")
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    (main / ".git/worktrees/tree/commondir").write_text(f"{other}/.git\n")
    assert linked_git_directories(str(tmp_path / "tree")) == ()


def test_a_pointer_that_is_a_link_is_not_followed(main: Path, tmp_path: Path) -> None:
    git(main, "worktree", "add", "-q", "../tree")
    (tmp_path / "tree/.git").rename(tmp_path / "tree/moved")
    (tmp_path / "tree/.git").symlink_to("moved")
    assert linked_git_directories(str(tmp_path / "tree")) == ()


def test_hook_directories_by_configuration_and_by_link(main: Path, tmp_path: Path) -> None:
    assert hook_directories(str(main), str(tmp_path)) == ()
    git(main, "config", "core.hooksPath", "tools/hooks")
    assert hook_directories(str(main), str(tmp_path)) == (str(main / "tools/hooks"),)
    git(main, "config", "core.hooksPath", "/elsewhere")
    assert hook_directories(str(main), str(tmp_path)) == ()


def test_hook_directories_of_a_worktree_are_those_of_its_common_directory(main: Path, tmp_path: Path) -> None:
    git(main, "worktree", "add", "-q", "../tree")
    git(main, "config", "core.hooksPath", "tools/hooks")
    assert hook_directories(str(tmp_path / "tree"), str(tmp_path)) == (str(tmp_path / "tree/tools/hooks"),)


def test_files_that_a_configuration_includes(main: Path, tmp_path: Path) -> None:
    assert included_files(str(main), str(tmp_path)) == ()
    git(main, "config", "include.path", "../team.inc")
    (tmp_path / ".gitconfig").write_text(
        f'[include]\npath = ~/main/mine.inc\npath = /elsewhere\n[includeIf "gitdir:x"]\npath = {main}/linked\n'
    )
    (main / "real").write_text("")
    (main / "linked").symlink_to("real")
    assert set(included_files(str(main), str(tmp_path))) == {
        str(main / name) for name in ("team.inc", "mine.inc", "linked", "real")
    }
