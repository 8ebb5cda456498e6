"""Trees of toolchains, told by names alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmcp_sandbox.monitor.layouts import is_interpreter_prefix, is_shared, tree_of


def make(home: Path, *names: str) -> None:
    for name in names:
        (home / name).mkdir(parents=True)


@pytest.mark.parametrize(
    ("made", "directory", "tree"),
    [
        (["x/bin", "x/lib"], "x/bin", "x"),
        (["x/bin"], "x/bin", "x/bin"),
        ([".local/bin", ".local/lib"], ".local/bin", ".local/bin"),
        (["bin", "lib"], "bin", "bin"),
        ([".rbenv/shims", ".rbenv/versions"], ".rbenv/shims", ".rbenv"),
        (["x/shims"], "x/shims", "x/shims"),
        (["conda/envs/a/bin", "conda/envs/a/lib", "conda/conda-meta"], "conda/envs/a/bin", "conda"),
        (["conda/condabin"], "conda/condabin", "conda"),
        (["scripts", "lib"], "scripts", "scripts"),
    ],
)
def test_tree_of(tmp_path: Path, made: list[str], directory: str, tree: str) -> None:
    make(tmp_path, *made)
    assert tree_of(str(tmp_path / directory), str(tmp_path)) == str(tmp_path / tree)


@pytest.mark.parametrize("path", ["/", "/usr", "/home", "/home/u"])
def test_what_holds_more_than_a_toolchain_is_shared(path: str) -> None:
    assert is_shared(path, "/home/u")


def test_a_directory_of_the_home_is_not_shared() -> None:
    assert not is_shared("/home/u/.pyenv", "/home/u")


def test_an_interpreter_is_told_by_its_place_and_its_program(tmp_path: Path) -> None:
    prefix = tmp_path / ".pyenv/versions/3.12.1"
    (prefix / "bin").mkdir(parents=True)
    assert not is_interpreter_prefix(str(prefix))
    (prefix / "bin/python3").touch()
    assert is_interpreter_prefix(str(prefix))
    assert not is_interpreter_prefix(str(prefix.parent))
