"""The python3 that the caller would run."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmcp_sandbox.errors import AgentError
from gmcp_sandbox.monitor.interpreters import find_python, path_entries


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def pyenv(tmp_path: Path) -> Path:
    root = tmp_path / ".pyenv"
    for version in ("3.9.18", "3.12.4", "3.12.10"):
        program(root / "versions" / version / "bin" / "python3")
    program(root / "shims" / "python3")
    (root / "version").write_text("3.9.18\n")
    (tmp_path / "project" / "sub").mkdir(parents=True)
    return root


def find(root: Path, tmp_path: Path, **more: str) -> str:
    return find_python({"PATH": f"{root}/shims", **more}, str(tmp_path / "project" / "sub"))


def test_the_first_on_the_path_is_taken(tmp_path: Path) -> None:
    first = program(tmp_path / "a" / "python3")
    program(tmp_path / "b" / "python3")
    (tmp_path / "none").mkdir()
    assert find_python({"PATH": f"relative:{tmp_path}/none:{tmp_path}/a:{tmp_path}/b"}) == str(first)


def test_a_shim_is_resolved_by_the_global_version(pyenv: Path, tmp_path: Path) -> None:
    assert find(pyenv, tmp_path) == f"{pyenv}/versions/3.9.18/bin/python3"


def test_a_version_file_above_the_directory_wins_and_may_be_a_prefix(pyenv: Path, tmp_path: Path) -> None:
    (tmp_path / "project" / ".python-version").write_text("3.12  # newest\n")
    assert find(pyenv, tmp_path) == f"{pyenv}/versions/3.12.10/bin/python3"


def test_the_environment_wins_over_files(pyenv: Path, tmp_path: Path) -> None:
    assert find(pyenv, tmp_path, PYENV_VERSION="3.12.4") == f"{pyenv}/versions/3.12.4/bin/python3"


@pytest.mark.parametrize("name", ["../../evil", "/evil", "..", "3.8", "system"])
def test_a_name_that_is_no_installed_version_is_none(pyenv: Path, tmp_path: Path, name: str) -> None:
    program(tmp_path / "evil" / "bin" / "python3")
    with pytest.raises(AgentError) as caught:
        find(pyenv, tmp_path, PYENV_VERSION=name)
    assert caught.value.exit_code == 127


def test_relative_entries_of_path_are_left_out() -> None:
    assert path_entries({"PATH": ":.:bin:/usr/bin:/usr/bin/:/bin"}) == ["/usr/bin", "/bin"]
