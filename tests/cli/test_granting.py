"""An answer that is written into a profile: the same answer when it is read again, or nothing is written."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.arguments import FsDelete
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.cli.granting import grant_text, write_grant
from gmcp_sandbox.errors import ProfileError, UsageError
from gmcp_sandbox.monitor.profiles import load_profile
from gmcp_sandbox.monitor.statedir import SessionDir
from gmcp_sandbox.policy.approving import compile_grants, proposals
from tests.cli.launches import Place

REASON = "constitution.keep-files"
TEXT = "# kept as it is\n[limits]\nwall_seconds = 60"  # without an end of line


def question(tool: str = "fs.delete") -> dict[str, Any]:
    return {"id": 1, "tool": tool, "reasons": [["constitution", REASON, "text"], ["probe", REASON, "again"]]}


def delete(path: str) -> ToolCall:
    return ToolCall(1, 1, "00000000", "coder", 7, Tool.FS_DELETE, path, FsDelete("file"), WORKSPACE)


def with_profile(sessions: Any, path: str | None) -> SessionDir:
    session: SessionDir = sessions.make()[0]
    meta = session.meta()
    assert meta is not None
    session.write_meta(msgspec.structs.replace(meta, profile_path=path))
    return session


@pytest.fixture
def own(place: Place) -> Path:
    path = Path(place.profile(TEXT))
    path.chmod(0o640)
    return path


@pytest.fixture
def granted(sessions: Any, own: Path, place: Place) -> Callable[[str], Callable[[str], bool]]:
    """Write the narrowest grant for a path; return which paths the profile answers for then."""

    def write(path: str) -> Callable[[str], bool]:
        assert write_grant(with_profile(sessions, str(own)), question(), proposals(delete(path))[0]) == own
        policy = load_profile(str(own), workspace=place.work, home=place.home).approvals
        covers = compile_grants(policy.grants)
        return lambda other: covers(delete(other), frozenset([REASON]))

    return write


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "*",
        "[x]!",
        "a\\b",
        'quo"te',
        "\x7f",
        "\n\t\x01",
        "ünï",
        "\N{GRINNING FACE}",
        "\u202e",
        "${home}",
        "${x}",
    ],
)
def test_the_grant_covers_what_was_answered_and_nothing_beside_it(
    granted: Callable[[str], Callable[[str], bool]], name: str
) -> None:
    covers = granted(f"/ws/{name}")
    assert covers(f"/ws/{name}")
    assert not covers(f"/ws/{name}x")
    assert not covers("/ws/other")


def test_the_file_stays_as_it_was_but_for_the_grant(granted: Callable[[str], Callable[[str], bool]], own: Path) -> None:
    before = own.read_text()
    granted("/ws/\x1b[2J")
    text = own.read_text()
    assert text.startswith(before + "\n")
    assert text.isascii() and "\x1b" not in text
    assert own.stat().st_mode & 0o777 == 0o640
    assert os.listdir(own.parent).count(own.name) == 1
    assert not [name for name in os.listdir(own.parent) if name.startswith(f".{own.name}")]


def test_answers_add_up(granted: Callable[[str], Callable[[str], bool]]) -> None:
    granted("/ws/a")
    covers = granted("/ws/b")
    assert covers("/ws/a") and covers("/ws/b")


def test_a_shipped_profile_is_not_written_to(sessions: Any) -> None:
    with pytest.raises(UsageError, match="shipped") as caught:
        write_grant(with_profile(sessions, None), question(), "/ws/a")
    assert "extends" in caught.value.hint


def test_a_name_that_toml_cannot_say_is_refused_and_nothing_is_written(sessions: Any, own: Path) -> None:
    before = own.read_bytes()
    with pytest.raises(UsageError, match="not UTF-8"):
        write_grant(with_profile(sessions, str(own)), question(), "/ws/\udcff")
    assert own.read_bytes() == before


def test_a_file_that_is_no_profile_any_more_is_left_alone(sessions: Any, own: Path) -> None:
    for broken in (b"name = ", b"\xff"):
        own.write_bytes(broken)
        with pytest.raises(ProfileError):
            write_grant(with_profile(sessions, str(own)), question(), "/ws/a")
        assert own.read_bytes() == broken


def test_a_tool_that_profiles_do_not_know_is_not_written(sessions: Any, own: Path) -> None:
    before = own.read_bytes()
    with pytest.raises(ProfileError):
        write_grant(with_profile(sessions, str(own)), question("fs.levitate"), "/ws/a")
    assert own.read_bytes() == before


def test_a_profile_that_is_gone_is_said(sessions: Any, own: Path) -> None:
    own.unlink()
    with pytest.raises(ProfileError, match="cannot read"):
        write_grant(with_profile(sessions, str(own)), question(), "/ws/a")
    assert not own.exists()


@given(st.lists(st.text(), min_size=1), st.text())
def test_every_text_comes_back_from_the_file_as_it_was(reasons: list[str], pattern: str) -> None:
    text = grant_text(reasons, "fs.delete", pattern)
    assert text.isascii()
    (grant,) = tomllib.loads(text)["approvals"]["grants"]
    assert grant == {"reasons": sorted(set(reasons)), "tools": ["fs.delete"], "objects": [pattern]}
