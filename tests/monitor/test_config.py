"""The user's configuration: which agent gets which profile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gmcp_sandbox.calls.labels import WATCHED, WORKSPACE
from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.monitor.choosing import choose
from gmcp_sandbox.monitor.config import config_file, profile_for
from gmcp_sandbox.monitor.profiles import load_profile
from gmcp_sandbox.policy.labelling import Labeller


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    path = config_file(tmp_path)
    path.parent.mkdir(parents=True)
    return path


def test_without_a_file_nobody_has_one(tmp_path: Path) -> None:
    assert profile_for("claude", tmp_path) is None


def test_by_name_by_file_beside_it_and_by_path(file: Path, tmp_path: Path) -> None:
    (file.parent / "builder.toml").write_text("")
    (tmp_path / "far.toml").write_text("")
    file.write_text(f'[agents]\nclaude = "strict"\nbuilder = "./builder.toml"\nfar = "{tmp_path}/far.toml"\n')
    assert profile_for("claude", tmp_path) == "strict"
    assert profile_for("builder", tmp_path) == str(file.parent / "builder.toml")
    assert profile_for("far", tmp_path) == str(tmp_path / "far.toml")
    assert profile_for("other", tmp_path) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[agent]\n", r"config\.toml:1: agent: unknown key"),
        ("[agents]\na = 1\n", "agents"),
        ('[agents]\na = ""\n', "agents"),
        ("[agents\n", "not valid TOML"),
        ('[agents]\na = "./missing.toml"\n', r"config\.toml:2: agents\.a: there is no file"),
        ('[agents]\na = "strct"\n', r"config\.toml:2: agents\.a: there is no profile 'strct'"),
    ],
)
def test_a_wrong_file_is_an_error(file: Path, tmp_path: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(ProfileError, match=message):
        profile_for("a", tmp_path)


@pytest.mark.parametrize("kind", ["dangling", "fifo", "directory"])
def test_an_unreadable_file_is_an_error(file: Path, tmp_path: Path, kind: str) -> None:
    if kind == "dangling":
        file.symlink_to("nowhere")
    elif kind == "fifo":
        os.mkfifo(file)
    else:
        file.mkdir()
    with pytest.raises(ProfileError, match="cannot read"):
        profile_for("a", tmp_path)


def test_it_comes_before_the_file_of_the_project_and_after_the_word(file: Path, tmp_path: Path) -> None:
    file.write_text('[agents]\nclaude = "strict"\n')
    workspace = tmp_path / "work"
    workspace.mkdir()
    (workspace / "gmcp.toml").write_text('name = "own"\nextends = "default"\n')
    environ = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    chosen = choose(None, workspace=workspace, environ=environ, agent="claude")
    assert (chosen.reference, chosen.because) == ("strict", "your config.toml gives it to claude")
    assert choose("readonly", workspace=workspace, environ=environ, agent="claude").reference == "readonly"
    assert choose(None, workspace=workspace, environ=environ, agent="x").reference == str(workspace / "gmcp.toml")


def test_in_a_workspace_it_is_watched(file: Path, tmp_path: Path) -> None:
    inside = load_profile("default", workspace=file.parent, home=tmp_path)
    assert Labeller(inside.mounts, inside.path_rules).of(str(file)) is WATCHED
    beside = load_profile("default", workspace=tmp_path / "work", home=tmp_path)
    assert Labeller(beside.mounts, beside.path_rules).of(str(tmp_path / "work/config.toml")) is WORKSPACE
