"""Which profile an agent gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gmcp_sandbox.calls.labels import WATCHED
from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.monitor.choosing import Choice, absolute, choose
from gmcp_sandbox.monitor.profiles import read_chain
from gmcp_sandbox.monitor.statedir import StateDir
from gmcp_sandbox.monitor.trusted import TrustStore
from gmcp_sandbox.policy.labelling import Labeller

OWN = 'name = "own"\nextends = "strict"\n'


class Project:
    """A workspace with a home of its own."""

    def __init__(self, top: Path) -> None:
        self.home = top
        self.workspace = top / "work"
        self.workspace.mkdir()
        self.file = self.workspace / "gmcp.toml"
        self.environ = {"HOME": str(top), "XDG_STATE_HOME": str(top / "state")}

    def choose(self, named: str | None = None) -> Choice:
        return choose(named, workspace=self.workspace, environ=self.environ)

    def load(self, choice: Choice) -> str:
        return choice.load(workspace=self.workspace, home=self.home).name

    def trust(self) -> None:
        chain = read_chain(str(self.file), home=self.home)
        TrustStore.of(StateDir.open(self.environ)).trust(self.file, chain)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_without_anything_the_default(project: Project) -> None:
    assert project.load(project.choose()) == "default"
    assert not (project.home / "state").exists()


def test_the_file_of_the_project_when_it_is_approved(project: Project) -> None:
    project.file.write_text(OWN)
    with pytest.raises(ProfileError, match="not approved"):
        project.load(project.choose())
    project.trust()
    assert project.load(project.choose()) == "own"


def test_a_named_profile_wins_and_needs_no_approval(project: Project) -> None:
    project.file.write_text(OWN)
    assert project.load(project.choose("default")) == "default"
    assert project.load(project.choose(str(project.file))) == "own"


@pytest.mark.parametrize("kind", ["dangling", "directory", "fifo", "loop", "wrong"])
def test_a_file_that_cannot_be_read_is_not_passed_over(project: Project, kind: str) -> None:
    if kind == "dangling":
        project.file.symlink_to("nowhere")
    elif kind == "loop":
        project.file.symlink_to("gmcp.toml")
    elif kind == "directory":
        project.file.mkdir()
    elif kind == "fifo":
        os.mkfifo(project.file)
    else:
        project.file.write_text("teir = 1")
    with pytest.raises(ProfileError):
        project.load(project.choose())


def test_the_approval_is_watched_beside_the_file(project: Project) -> None:
    project.file.write_text(OWN)
    record, above = project.choose().beside()
    assert not os.path.exists(record)
    project.trust()
    assert os.path.exists(record)
    assert project.choose("default").beside() == (above,)


def test_the_agent_can_never_write_it_there_or_not(project: Project) -> None:
    profile = project.choose().load(workspace=project.workspace, home=project.home)
    assert Labeller(profile.mounts, profile.path_rules).of(str(project.file)) is WATCHED


def test_paths_are_made_absolute_and_names_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/u")
    assert absolute("strict") == "strict"
    assert absolute("x.toml") == str(tmp_path / "x.toml")
    assert absolute("~/x.toml") == "/home/u/x.toml"
