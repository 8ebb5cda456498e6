from __future__ import annotations

import os

import pytest

from gmcp_sandbox.cli.following import Following
from gmcp_sandbox.monitor.statedir import StateDir


@pytest.fixture
def follow(sessions):
    made = []

    def start(**options):
        made.append(Following(StateDir.open(), **{"agent": None, "from_start": False, **options}))
        return made[-1]

    yield start
    for each in made:
        each.close()


def kinds(seen):
    return [(one.session, type(one.entry).__name__ if one.entry else one.note) for one in seen]


def test_sessions_that_start_later_are_followed_from_their_first_record(follow, sessions, decide):
    running, writer = sessions.make(os.getpid())
    following = follow()
    assert following.poll() == []  # from now on
    writer.append(decide(running, 4, "/ws/late"), 1)
    later, other = sessions.make(os.getpid())
    other.seal({})
    found = kinds(following.poll())
    assert (running.id, "CallEntry") in found
    whole = ["GenesisEntry", *["CallEntry"] * 3, "SealEntry", "CheckpointEntry"]
    assert [what for session, what in found if session == later.id] == whole


def test_sessions_of_the_past_are_left_alone(follow, sessions):
    sessions.make(ended=True)
    assert follow(from_start=True).poll() == []


def test_agents_are_chosen(follow, sessions):
    sessions.make(os.getpid(), agent="coder")
    tester, _ = sessions.make(os.getpid(), agent="tester")
    found = follow(agent="test*", from_start=True).poll()
    assert {one.session for one in found} == {tester.id}


def test_a_crash_is_said_once(follow, sessions):
    child = sessions.child()
    session, _ = sessions.make(child)
    following = follow(from_start=True)
    assert len(following.poll()) == 4
    os.kill(child, 9)
    os.waitpid(child, 0)
    assert kinds(following.poll()) == [(session.id, "ended without a seal")]
    assert following.poll() == []


def test_a_log_that_was_damaged_meanwhile_is_said(follow, sessions):
    session, _ = sessions.make(os.getpid())
    following = follow(from_start=True)
    following.poll()
    with session.log.open("ab") as file:
        file.write(b"nonsense\n")
    (only,) = following.poll()
    assert only.note.startswith("the log is lost after record 3")
