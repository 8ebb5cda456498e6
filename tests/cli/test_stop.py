from __future__ import annotations

import os
import signal

from gmcp_sandbox.cli.main import main


def test_stop_ends_a_session_in_order(sessions):
    child = sessions.child()
    session, _ = sessions.make(child)
    assert main(["stop", session.id[:6]]) == 0
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM


def test_a_session_that_does_not_end_is_killed_only_when_told_so(sessions, capsys):
    child = sessions.child(ignores_term=True)
    session, _ = sessions.make(child)
    assert main(["stop", session.id, "--timeout", "0"]) == 125
    assert f"gmcp-sandbox stop --kill {session.id}" in capsys.readouterr().err
    assert os.waitpid(child, os.WNOHANG) == (0, 0)
    assert main(["stop", session.id, "--timeout", "0", "--kill"]) == 0
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def test_a_session_that_does_not_run_cannot_be_stopped(sessions, capsys):
    session, _ = sessions.make()
    assert main(["stop", session.id]) == 2
    assert main(["stop", "ffff"]) == 2
    assert main(["stop", session.id, "--timeout", "-1"]) == 2
    assert "is not running" in capsys.readouterr().err
