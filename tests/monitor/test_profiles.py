"""Profiles by name and path, chains of them, and profiles that the agent could reach."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gmcp_sandbox.calls.labels import WATCHED
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.monitor.profiles import GUARD, load_profile, read_chain
from gmcp_sandbox.monitor.shipped import shipped_names, shipped_profile
from gmcp_sandbox.pipeline.pipeline import Pipeline
from gmcp_sandbox.policy.labelling import Labeller
from gmcp_sandbox.policy.profile import Profile, Tier
from gmcp_sandbox.policy.sample import calls_on_path
from gmcp_sandbox.policy.state import SessionState

CHILD = 'name = "{name}"\nextends = "{base}"\n'


def write(path: Path, base: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CHILD.format(name=path.stem, base=base))
    return path


def load(reference: object, workspace: Path = Path("/home/u/w"), home: Path = Path("/home/u")) -> Profile:
    return load_profile(str(reference), workspace=workspace, home=home)


def test_shipped_profiles_are_found_by_name() -> None:
    assert {"default", "readonly", "strict"} <= set(shipped_names())
    assert 'name = "strict"' in shipped_profile("strict")
    assert load("strict").name == "strict"


def test_a_path_extends_a_shipped_one_and_a_neighbour(tmp_path: Path) -> None:
    write(tmp_path / "base.toml", "default")
    assert load(write(tmp_path / "mine.toml", "./base.toml")).name == "mine"
    assert [located.source.name for located in read_chain(str(tmp_path / "mine.toml"), home=tmp_path)] == [
        "constitution (shipped)",
        "default (shipped)",
        str(tmp_path / "base.toml"),
        str(tmp_path / "mine.toml"),
    ]


def test_own_profiles_are_found_by_name_but_never_pass_for_shipped_ones(tmp_path: Path) -> None:
    own = Path(os.environ.get("XDG_CONFIG_HOME") or tmp_path / ".config") / "gmcp-sandbox" / "profiles"
    if tmp_path not in own.parents:
        pytest.skip("XDG_CONFIG_HOME is set")
    write(own / "mine.toml", "default")
    write(own / "strict.toml", "default")
    assert load("mine", home=tmp_path).name == "mine"
    assert load("strict", home=tmp_path).tier.name == "LIMITED"


def test_a_circle_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.toml", "./b.toml")
    write(tmp_path / "b.toml", "./a.toml")
    with pytest.raises(ProfileError, match="back to itself"):
        load(tmp_path / "a.toml")


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo", "binary", "huge"])
def test_an_unreadable_profile_is_an_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.toml"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "binary":
        path.write_bytes(b"\xff\xfe")
    elif kind == "huge":
        path.write_bytes(b"#" * (2 << 20))
    with pytest.raises(ProfileError, match="cannot read the profile"):
        load(path)


def test_an_unknown_name_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(ProfileError) as caught:
        load("defualt")
    assert "did you mean 'default'?" in caught.value.hint


def test_a_profile_in_the_workspace_is_watched(tmp_path: Path) -> None:
    path = write(tmp_path / "agent.toml", "default")
    profile = load(path, workspace=tmp_path)
    assert Labeller(profile.mounts, profile.path_rules).of(str(path)) is WATCHED


@pytest.mark.parametrize("draft", [".agent.toml.0a1b2c3d", ".agent.toml.swp", "agent.toml~", "#agent.toml#"])
def test_what_will_take_the_profiles_place_is_watched_before_it_does(tmp_path: Path, draft: str) -> None:
    """An agent that opens the draft of a grant, or of an editor, holds the next profile open for writing."""
    path = write(tmp_path / "agent.toml", "default")
    profile = load(path, workspace=tmp_path)
    assert Labeller(profile.mounts, profile.path_rules).of(str(tmp_path / draft)) is WATCHED
    assert Labeller(profile.mounts, profile.path_rules).of(str(tmp_path / "my_agent.toml")) is not WATCHED


@pytest.mark.parametrize("source", ["conf", "conf/agent.toml", "alias"])
def test_a_profile_that_is_shown_under_another_name_is_watched_there(tmp_path: Path, source: str) -> None:
    """A writable mount with a `source` of its own: labels go by names in the sandbox."""
    workspace = tmp_path / "work"
    workspace.mkdir()
    path = tmp_path / "conf" / "agent.toml"
    (tmp_path / "alias").symlink_to(tmp_path / "conf")
    write(path, "default")
    mount = f'[[mounts]]\npath = "/srv/in"\nsource = "{tmp_path / source}"\nmode = "rw"\nlabel = "workspace"\n'
    path.write_text(path.read_text() + mount)
    profile = load(path, workspace=workspace)
    shown = "/srv/in" if source.endswith(".toml") else "/srv/in/agent.toml"
    assert Labeller(profile.mounts, profile.path_rules).of(shown) is WATCHED


def test_a_link_in_the_workspace_that_leads_to_the_profile_is_watched(tmp_path: Path) -> None:
    outside, workspace = tmp_path / "profiles", tmp_path / "work"
    for directory in (outside, workspace):
        directory.mkdir()
    write(outside / "agent.toml", "default")
    (workspace / "link.toml").symlink_to(outside / "agent.toml")
    (workspace / "conf").symlink_to(outside)
    for path, place in (("link.toml", "link.toml"), ("conf/agent.toml", "conf")):
        profile = load(workspace / path, workspace=workspace)
        assert Labeller(profile.mounts, profile.path_rules).of(str(workspace / place)) is WATCHED


def test_the_root_is_no_home() -> None:
    with pytest.raises(ProfileError, match="cannot be a home"):
        load("default", home=Path("/"))


def test_the_constitution_is_a_part_and_no_profile(tmp_path: Path) -> None:
    assert "constitution" not in shipped_names()
    with pytest.raises(ProfileError, match="`tier` is missing"):
        load("constitution")


GRANT = '[[capabilities]]\ntools = ["fs.write"]\nlabels = ["watched"]\n'


def test_no_grant_of_watched_files_is_one_of_the_profile_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "own.toml", "default")
    assert all(rule.id != GUARD for rule in load(path, workspace=tmp_path).rules)
    path.write_text(path.read_text() + 'replaces = ["rules"]\n' + GRANT)
    profile = load(path, workspace=tmp_path)
    (rule,) = profile.rules
    assert (rule.id, rule.effect) == (GUARD, "deny")
    pipeline, state = Pipeline(profile, None), SessionState(profile.tier)
    for name, reason in (
        ("own.toml", f"constitution.{GUARD}"),
        (".own.toml.1a2b", f"constitution.{GUARD}"),
        ("gmcp.toml", f"constitution.{GUARD}"),
        (".envrc", "constitution.ok"),
    ):
        call = next(one for one in calls_on_path(f"{tmp_path}/{name}", WATCHED) if one.tool is Tool.FS_WRITE)
        assert pipeline.judge(call, state).verdicts[-1].reason == reason, name


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's file is a ceiling")
def test_what_exceeds_the_ceiling_is_refused_at_its_line_but_shipped_profiles_are_narrowed(tmp_path: Path) -> None:
    above = tmp_path / "ceiling.toml"
    above.write_text('name = "acme"\nextends = "default"\ntier = "limited"\n')
    path = write(tmp_path / "own.toml", "default")
    path.write_text(path.read_text() + 'tier = "standard"\n')
    with pytest.raises(ProfileError, match=r"own\.toml:3: tier: 'standard' exceeds the organisation's ceiling"):
        load_profile(str(path), workspace=tmp_path, home=tmp_path / "home", ceiling=str(above))
    found = load_profile("default", workspace=tmp_path, home=tmp_path / "home", ceiling=str(above))
    assert found.tier is Tier.LIMITED


@pytest.mark.parametrize(
    ("extends", "message", "hint"),
    [
        ("defualt", "no profile 'defualt'", "did you mean 'default'?"),
        ("./gone.toml", "cannot read the profile", ""),
        ("./own.toml", "leads back to itself", ""),
    ],
)
def test_what_cannot_be_extended_is_said_where_it_stands(tmp_path: Path, extends: str, message: str, hint: str) -> None:
    with pytest.raises(ProfileError, match=message) as caught:
        load(write(tmp_path / "own.toml", extends))
    assert str(caught.value).startswith(f"{tmp_path}/own.toml:2: extends: ")
    assert hint in caught.value.hint
