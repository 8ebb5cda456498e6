"""`gmcp-sandbox profile trust`, and what `exec` does without it; run as programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Project:
    """A project with a profile of its own."""

    def __init__(self, top: Path) -> None:
        self.work = Path(os.path.realpath(top)) / "home" / "work"
        self.work.mkdir(parents=True)
        self.file = self.work / "gmcp.toml"
        self.file.write_text('name = "own"\nextends = "strict"\n')

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        environ = {"PATH": "/usr/bin:/bin", "HOME": str(self.work.parent), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "gmcp_sandbox", *words]
        return subprocess.run(command, cwd=self.work, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_exec_refuses_until_these_bytes_are_approved(project: Project) -> None:
    refused = project.run("exec", "--dry-run", "true")
    assert refused.returncode == 125
    assert refused.stderr.splitlines() == [
        f"error: the project brings a profile of its own, and you have not approved it: {project.file}",
        "  cause: whoever wrote the project wrote it",
        f"  try:   read it, then: gmcp-sandbox profile trust {project.file}   (to ignore it: exec -p default)",
    ]
    approved = project.run("profile", "trust")
    assert approved.returncode == 0
    assert approved.stdout.startswith(f"approved {project.file} (tier limited, these bytes: ")
    assert "profile    own" in project.run("exec", "--dry-run", "true").stdout
    project.file.write_text(project.file.read_text() + "# more\n")
    again = project.run("exec", "--dry-run", "true")
    assert again.returncode == 125
    assert "it has changed since you approved it" in again.stderr


def test_it_can_be_ignored_by_naming_another(project: Project) -> None:
    assert "profile    default" in project.run("exec", "-p", "default", "--dry-run", "true").stdout


def test_an_approval_is_forgotten(project: Project) -> None:
    project.run("profile", "trust", str(project.work))
    done = project.run("profile", "trust", "--forget", "gmcp.toml")
    assert (done.returncode, done.stdout) == (0, f"{project.file} is not approved any more\n")
    assert project.run("exec", "--dry-run", "true").returncode == 125
    assert project.run("profile", "trust", "--forget").returncode == 2


def test_a_wrong_profile_is_not_approved(project: Project) -> None:
    project.file.write_text('name = "own"\nteir = "limited"\n')
    done = project.run("profile", "trust")
    assert done.returncode == 125
    assert "did you mean 'tier'?" in done.stderr
    project.file.unlink()
    assert project.run("profile", "trust").returncode == 125


def test_approving_says_what_gives_much(project: Project) -> None:
    project.file.write_text('name = "own"\nextends = "default"\n[environment]\nallow = ["GITHUB_TOKEN"]\n')
    assert "GITHUB_TOKEN may carry a credential" in project.run("profile", "trust").stdout


def test_what_is_not_approved_can_be_looked_at(project: Project) -> None:
    assert "profile      own" in project.run("profile", "show").stdout
    assert project.run("profile", "check").returncode == 0
    assert project.run("decide", "fs.read", "path=x").returncode == 2
