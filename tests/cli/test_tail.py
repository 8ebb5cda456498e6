from __future__ import annotations

import json
import os
import threading

import pytest

from gmcp_sandbox.cli.main import main
from gmcp_sandbox.cli.tail import choose
from gmcp_sandbox.errors import UsageError
from gmcp_sandbox.monitor.statedir import StateDir


def test_tail_follows_the_newest_running_session_until_its_seal(sessions, decide, capsys):
    session, writer = sessions.make(os.getpid())
    sessions.make()

    def go_on():
        writer.append(decide(session, 4, "/ws/late.py"), 0)
        writer.seal({"reason": "exited"})

    thread = threading.Thread(target=go_on)
    thread.start()
    assert main(["tail", "--json", "--from-start", "--path", "/ws/*"]) == 0
    thread.join()
    found = [json.loads(line)["object"] for line in capsys.readouterr().out.splitlines()]
    assert found == ["/ws/a.py", "/ws/\x1b[2J", "/ws/late.py"]


def test_tail_ends_with_a_session_that_crashed_and_says_so(sessions, capsys):
    session, _ = sessions.make()
    assert main(["tail", session.id, "--denied"]) == 0
    shown = capsys.readouterr()
    assert "DENY   fs.read" in shown.out
    assert "ALLOW" not in shown.out
    assert shown.err == f"session {session.id} ended without a seal\n"


def test_a_sealed_log_is_shown_whole(sessions, capsys):
    session, writer = sessions.make(ended=True)
    writer.seal({"reason": "exited"})
    assert main(["tail", session.id]) == 0
    shown = capsys.readouterr()
    assert [line.split()[1] for line in shown.out.splitlines()] == ["START", "ALLOW", "ALLOW", "DENY", "END"]
    assert shown.err == ""


def test_no_session_or_several_are_usage_errors(sessions):
    assert main(["tail"]) == 2
    sessions.make()
    sessions.make()
    made = StateDir.open().sessions()
    with pytest.raises(UsageError, match="no session is running"):
        choose(made, None)
    with pytest.raises(UsageError, match="0 sessions start with"):
        choose(made, "zz")
    assert choose(made, made[0].id) == made[0]
