from __future__ import annotations

import json
import os

from gmcp_sandbox.cli.main import main


def test_ps_lists_what_runs(sessions, capsys):
    running, _ = sessions.make(os.getpid(), agent="alive")
    sessions.make(agent="dead")
    assert main(["ps"]) == 0
    header, line = capsys.readouterr().out.splitlines()
    figures = ["CALLS/S", "DENIED", "ASKS", "TAINT"]
    assert header.split() == ["SESSION", "STATE", "AGENT", "PROFILE", "PID", "STARTED", *figures, "COMMAND"]
    assert line.split()[:5] == [running.id, "running", "alive", "default", str(os.getpid())]
    assert line.endswith("python3 agent.py --token [redacted] \\x1b[2J")


def test_ps_all_says_how_sessions_ended(sessions, capsys):
    sessions.make(os.getpid())
    sessions.make(ended=True)
    sessions.make()
    assert main(["ps", "--all", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(one["state"] for one in found) == ["crashed", "ended", "running"]


def test_nothing_runs_and_nothing_is_printed(state_home, capsys):
    assert main(["ps"]) == 0
    assert capsys.readouterr().out == ""
