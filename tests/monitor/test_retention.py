from __future__ import annotations

import os
import time

import pytest

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.monitor.procfacts import ProcessIdentity, identify
from gmcp_sandbox.monitor.retention import remove, retire, surplus
from gmcp_sandbox.monitor.statedir import Meta, StateDir
from gmcp_sandbox.policy.auditing import AuditPolicy

DAY = 86_400 * 10**9
GONE = ProcessIdentity(2**22 - 1, 1, "")


@pytest.fixture
def state(tmp_path):
    return StateDir(tmp_path / "state")


def make(state, age_days, *, size=1000, process=GONE):
    session = state.create_session()
    session.log.write_bytes(b"x" * size)
    ended = None if process is not GONE else time.time_ns() - age_days * DAY
    session.write_meta(Meta("a", "p", "00", process, (), time.time_ns(), "/w", ended, 0))
    return session


def test_the_oldest_go_until_the_rest_fits(state):
    old, middle, new = (make(state, days) for days in (9, 5, 1))
    total = sum(size for _, size in surplus(state, keep_bytes=0))
    assert [session.id for session, _ in surplus(state, keep_bytes=0)] == [old.id, middle.id, new.id]
    assert [session.id for session, _ in surplus(state, keep_bytes=total - 1)] == [old.id]
    assert surplus(state, keep_bytes=total) == []


def test_what_is_too_old_goes_whatever_its_size(state):
    old, _ = make(state, 9), make(state, 1)
    assert [session.id for session, _ in surplus(state, keep_bytes=None, keep_days=5)] == [old.id]


def test_a_running_session_is_never_touched(state):
    make(state, 9, process=identify(os.getpid()))
    assert surplus(state, keep_bytes=0, keep_days=1) == []


def test_a_session_is_removed_whole(state):
    session = make(state, 9)
    (session.path / "scratch" / "deep").mkdir(parents=True)
    remove(session)
    assert not session.path.exists()
    with pytest.raises(HostError):
        remove(type(session)("00000000", session.path.parent / "absent" / "x"))


def test_logs_are_looked_through_once_an_hour(state, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(state.path.parent))
    own = StateDir.open()
    old = make(own, 9)
    assert retire(AuditPolicy(keep_days=5)) == [old.id]
    make(own, 9)
    assert retire(AuditPolicy(keep_days=5)) == []


def test_sessions_that_somebody_else_removes_meanwhile_are_no_fault(state, monkeypatch):
    """Two sessions that start together both clean up: neither may end for it."""
    kept, gone = make(state, 9), make(state, 9)
    listed = state.sessions()
    remove(gone)
    monkeypatch.setattr(StateDir, "sessions", lambda _: listed)
    assert [session.id for session, _ in surplus(state, keep_bytes=0)] == [kept.id]
