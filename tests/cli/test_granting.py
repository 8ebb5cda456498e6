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
from gmcp_sandbox.monitor.profiles import load_profile, read_chain
from gmcp_sandbox.monitor.statedir import TRUSTED, SessionDir
from gmcp_sandbox.monitor.trusted import TrustStore
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
    assert "profile init" in caught.value.hint


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


@pytest.mark.parametrize("was_approved", [True, False])
def test_what_the_user_adds_himself_keeps_an_approval_and_makes_none(
    sessions: Any, own: Path, place: Place, was_approved: bool
) -> None:
    session = with_profile(sessions, str(own))
    store = TrustStore(session.state / TRUSTED)
    if was_approved:
        store.trust(own, read_chain(str(own), home=place.home))
    write_grant(session, question(), "/ws/build/**")
    assert store.is_trusted(own, read_chain(str(own), home=place.home)) is was_approved


def test_a_change_of_somebody_else_is_not_approved_with_the_users_addition(
    sessions: Any, own: Path, place: Place
) -> None:
    session = with_profile(sessions, str(own))
    store = TrustStore(session.state / TRUSTED)
    store.trust(own, read_chain(str(own), home=place.home))
    own.write_text(own.read_text().replace("wall_seconds = 60", "wall_seconds = 6000"))
    write_grant(session, question(), "/ws/build/**")
    assert not store.is_trusted(own, read_chain(str(own), home=place.home))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's file is a ceiling")
@pytest.mark.parametrize(
    ("reason", "text"),
    [("constitution.ceiling.keep-files", ""), ("probe.dangerous", "[probe]\nask_at = 1.0\n")],
)
def test_what_the_ceiling_asks_is_not_written_into_a_profile(
    sessions: Any, own: Path, place: Place, reason: str, text: str
) -> None:
    above = place.home / "ceiling.toml"
    above.write_text(f'name = "acme"\nextends = "default"\n{text}')
    before = own.read_bytes()
    asked = {"id": 1, "tool": "fs.delete", "reasons": [["constitution", REASON, ""], ["constitution", reason, ""]]}
    with pytest.raises(UsageError, match="the organisation's ceiling asks it") as caught:
        write_grant(with_profile(sessions, str(own)), asked, "/ws/a", str(above))
    assert reason in caught.value.cause and REASON not in caught.value.cause
    assert own.read_bytes() == before
