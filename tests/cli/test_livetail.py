"""The tail beside a session: all that is in the log, once, until it is told that all is over."""

from __future__ import annotations

import json
import os
import pty
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from gmcp_sandbox.calls.verdicts import Decision
from gmcp_sandbox.cli.livetail import LiveTail
from gmcp_sandbox.monitor.statedir import SessionDir, StateDir
from tests.children import in_child
from tests.cli.conftest import Sessions
from tests.deadline import within


@contextmanager
def tailing(session: SessionDir) -> Iterator[None]:
    """A tail that runs in the block and has ended after it."""
    with within(30):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            tail = LiveTail(session, "never")
        yield
        tail.finish()


def test_what_is_there_and_what_comes_is_shown_once(
    sessions: Sessions, decide: Callable[[SessionDir, int, str], Decision], capfd: pytest.CaptureFixture[str]
) -> None:
    session, writer = sessions.make()
    with tailing(session):
        writer.append(decide(session, 4, "/ws/late.py"), 1000)
        writer.seal({"reason": "exited", "code": 0})
    shown = capfd.readouterr().err.splitlines()
    assert [line.split()[1] for line in shown] == ["START", "ALLOW", "ALLOW", "DENY", "ALLOW", "END"]
    assert "late.py" in shown[4]


def test_it_waits_for_a_log_that_is_not_there_yet(
    sessions: Sessions, state_home: object, capfd: pytest.CaptureFixture[str]
) -> None:
    session = StateDir.open().create_session()
    made, _ = sessions.make()
    with tailing(session):
        os.rename(made.log, session.log)
    assert "ALLOW" in capfd.readouterr().err


def test_a_session_without_a_log_is_silence(state_home: object, capfd: pytest.CaptureFixture[str]) -> None:
    with tailing(StateDir.open().create_session()):
        pass
    assert capfd.readouterr().err == ""


def test_names_cannot_steer_the_terminal(sessions: Sessions, capfd: pytest.CaptureFixture[str]) -> None:
    session, _ = sessions.make()
    with tailing(session):
        pass
    err = capfd.readouterr().err
    assert "\x1b" not in err
    assert "/ws/\\x1b[2J" in err


def test_a_log_that_is_garbage_ends_it_and_nothing_else(sessions: Sessions, capfd: pytest.CaptureFixture[str]) -> None:
    session, _ = sessions.make()
    session.log.write_bytes(b"\xff\xff\n")
    with tailing(session):
        pass
    assert "Traceback" not in capfd.readouterr().err


def test_the_end_of_the_front_is_its_end(sessions: Sessions) -> None:
    """Whoever holds the other end of its pipe has ended: so does it, without a word."""
    session, _ = sessions.make()
    reader, writer = os.pipe()

    def front() -> int:
        LiveTail(session, "never")  # inherits the writing end, and ends with this process
        return 0

    in_child(front)
    os.close(writer)
    with within(30):
        assert os.read(reader, 1) == b""
    os.close(reader)


def test_lines_begin_at_the_left_of_a_raw_terminal(sessions: Sessions) -> None:
    session, _ = sessions.make()
    master, terminal = pty.openpty()

    def front() -> int:
        import sys
        import tty

        tty.setraw(terminal)
        os.dup2(terminal, 2)
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - for the rest of this child
        LiveTail(session, "never").finish()
        return 0

    with within(30):
        in_child(front)
        shown = os.read(master, 65536)
    assert shown.count(b"\r\n") == shown.count(b"\n") == 4
    os.close(master)
    os.close(terminal)


def test_a_log_is_read_and_never_changed(sessions: Sessions, capfd: pytest.CaptureFixture[str]) -> None:
    session, _ = sessions.make()
    before = session.log.read_bytes()
    with tailing(session):
        pass
    assert session.log.read_bytes() == before
    assert json.loads(before.splitlines()[0])["kind"] == "genesis"
    capfd.readouterr()
