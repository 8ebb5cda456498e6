"""`gmcp-sandbox profile init`: asks nothing, overwrites nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "home" / "My App").mkdir(parents=True)
    return Path(os.path.realpath(tmp_path)) / "home" / "My App"


def run(work: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(work.parent), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "gmcp_sandbox", *words]
    return subprocess.run(
        command, cwd=work, env=environ, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def test_it_writes_a_profile_that_is_approved_at_once(work: Path) -> None:
    (work / "pyproject.toml").write_text("")
    (work / ".git").mkdir()
    (work / ".git/config").write_text('[remote "origin"]\n\turl = git@git.example.com:team/app.git\n')
    done = run(work, "profile", "init")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "found    Python, remote at git.example.com"
    assert lines[1] == f"written  {work}/gmcp.toml"
    assert lines[2].startswith(f"approved {work}/gmcp.toml")
    assert "profile    my-app" in run(work, "exec", "--dry-run", "true").stdout
    assert run(work, "profile", "check").returncode == 0


@pytest.mark.parametrize("is_link", [False, True])
def test_what_is_there_stays(work: Path, is_link: bool) -> None:
    if is_link:
        (work / "gmcp.toml").symlink_to("elsewhere")
    else:
        (work / "gmcp.toml").write_text("mine")
    done = run(work, "profile", "init")
    assert done.returncode == 2
    assert "there is a" in done.stderr
    assert not (work / "elsewhere").exists()
    assert is_link or (work / "gmcp.toml").read_text() == "mine"


def test_the_home_is_no_project(work: Path) -> None:
    assert run(work, "profile", "init", "-w", str(work.parent)).returncode == 2
    assert not (work.parent / "gmcp.toml").exists()
