"""The state directory: closed to others, sessions by prefix, and nothing lost."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from gmcp_sandbox.errors import HostError, UsageError
from gmcp_sandbox.monitor.procfacts import identify
from gmcp_sandbox.monitor.statedir import Meta, StateDir, state_root


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir.open({"XDG_STATE_HOME": str(tmp_path)})


def meta_of_this_process() -> Meta:
    identity = identify(os.getpid())
    assert identity is not None
    return Meta("agent", "default", "d" * 64, identity, ("python3", "x\udcff"), 1, "/w")


def test_where_it_is() -> None:
    assert state_root({"XDG_STATE_HOME": "/s", "HOME": "/h"}) == Path("/s/gmcp-sandbox")
    assert state_root({"XDG_STATE_HOME": "relative", "HOME": "/h"}) == Path("/h/.local/state/gmcp-sandbox")


def test_it_is_closed_to_others(state: StateDir) -> None:
    for path in (state.path, state.path / "sessions", state.create_session().path):
        assert path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_one_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "gmcp-sandbox").mkdir()
    (tmp_path / "gmcp-sandbox").chmod(mode)
    with pytest.raises(HostError, match="can be written by others"):
        StateDir.open({"XDG_STATE_HOME": str(tmp_path)})


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "gmcp-sandbox").symlink_to("elsewhere")
    with pytest.raises(HostError):
        StateDir.open({"XDG_STATE_HOME": str(tmp_path)})


def test_sessions_are_found_by_prefix(state: StateDir) -> None:
    session = state.create_session()
    assert state.find(session.id[:6]) == session
    assert state.sessions() == [session]
    for prefix in ("", "zz", session.id + "0"):
        with pytest.raises(UsageError):
            state.find(prefix)


def test_an_ambiguous_prefix_names_the_choices(state: StateDir) -> None:
    for name in ("aaaaaaa1", "aaaaaaa2"):
        (state.path / "sessions" / name).mkdir()
    with pytest.raises(UsageError) as caught:
        state.find("aaa")
    assert "aaaaaaa1, aaaaaaa2" in caught.value.hint


def test_meta_is_whole_or_absent(state: StateDir) -> None:
    session = state.create_session()
    assert session.meta() is None
    session.write_meta(meta_of_this_process())
    assert session.is_running()
    found = session.meta()
    assert found is not None
    assert found.argv == ("python3", "x\\udcff")
    session.write_meta(msgspec.structs.replace(found, ended_ns=2, exit_code=0))
    assert not session.is_running()
    assert sorted(path.name for path in session.path.iterdir()) == ["meta.json"]
    (session.path / "meta.json").write_bytes(b"{")
    assert session.meta() is None


def test_only_scratch_of_dead_sessions_is_collected(state: StateDir) -> None:
    alive, dead = state.create_session(), state.create_session()
    for session in (alive, dead):
        session.scratch.mkdir()
        (session.path / "audit.jsonl").write_text("x")
    alive.write_meta(meta_of_this_process())
    dead.write_meta(msgspec.structs.replace(meta_of_this_process(), ended_ns=2))
    assert state.collect() == [dead.id]
    assert alive.scratch.exists()
    assert dead.log.exists()


@pytest.mark.parametrize("name", ["", "..", "a/b", ".x", "x" * 65])
def test_a_kept_home_stays_below(state: StateDir, name: str) -> None:
    with pytest.raises(UsageError):
        state.home_of(name)
    assert state.home_of("agent-1").is_dir()


def test_the_directory_of_pins_is_closed_to_others(tmp_path):
    state = StateDir(tmp_path / "state")
    assert state.pins().stat().st_mode & 0o777 == 0o700
    state.pins().chmod(0o777)
    with pytest.raises(HostError, match="can be written by others"):
        state.pins()
