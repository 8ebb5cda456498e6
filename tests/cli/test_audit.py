from __future__ import annotations

import json
import os

import pytest

from gmcp_sandbox.cli.main import main


def test_verify_says_whole_and_returns_0(sessions, capsys):
    session, writer = sessions.make(ended=True)
    writer.seal({"reason": "exited", "code": 0})
    assert main(["audit", "verify", session.id[:4]]) == 0
    assert capsys.readouterr().out == f"WHOLE  session {session.id}: 5 good records in 1 file\n"
    assert main(["audit", "verify", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["state"], found["intact"], found["session"], found["finding"]) == ("whole", True, session.id, None)


def test_verify_names_the_first_bad_record_and_returns_1(sessions, capsys):
    session, writer = sessions.make()
    writer.close()
    session.log.write_bytes(session.log.read_bytes().replace(b".ssh", b".ssg"))
    assert main(["audit", "verify"]) == 1
    assert "audit.jsonl, line 4 (record 3): does not follow" in capsys.readouterr().out
    assert main(["audit", "verify", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["finding"]["seq"] == 3


def test_a_log_of_another_session_in_its_place_is_found(sessions, capsys):
    (first, one), (second, two) = sessions.make(), sessions.make()
    one.seal({})
    two.seal({})
    second.log.write_bytes(first.log.read_bytes())
    assert main(["audit", "verify", second.id]) == 1
    assert f"it is the log of session '{first.id}'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("is_running", "ended", "status", "note"),
    [
        (True, False, 0, "no seal yet: the session is running"),
        (False, False, 0, "no seal: the session crashed or was killed"),
        (False, True, 1, "no seal, but the session ended in order"),
    ],
)
def test_an_absent_seal_means_what_became_of_the_session(sessions, capsys, is_running, ended, status, note):
    session, writer = sessions.make(os.getpid() if is_running else None, ended=ended)
    writer.close()
    assert main(["audit", "verify", session.id]) == status
    assert note in capsys.readouterr().out


def test_a_torn_line_is_reported_and_no_tampering(sessions, capsys):
    session, writer = sessions.make()
    writer.close()
    session.log.write_bytes(session.log.read_bytes()[:-5])
    assert main(["audit", "verify", str(session.log)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("TORN")
    assert "the last line is torn" in out


def test_show_prints_the_records_with_control_characters_escaped(sessions, capsys):
    _, writer = sessions.make(ended=True)
    writer.seal({"reason": "exited", "code": 0})
    assert main(["audit", "show"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["START", "ALLOW", "ALLOW", "DENY", "END"]
    assert "hunter2" not in lines[0]
    assert "/ws/\\x1b[2J" in lines[2]
    assert lines[3].endswith("/home/u/.ssh/id (open)  trust.no_capability: no grant for secret")
    assert "2 allowed, 1 denied" in lines[4]


@pytest.mark.parametrize(
    ("options", "objects"),
    [
        (["--denied"], ["/home/u/.ssh/id"]),
        (["--tool", "net.*"], []),
        (["--path", "/ws/*"], ["/ws/a.py", "/ws/\x1b[2J"]),
        (["--tool", "fs.*", "--limit", "1"], ["/home/u/.ssh/id"]),
    ],
)
def test_show_chooses(sessions, capsys, options, objects):
    sessions.make()
    assert main(["audit", "show", "--json", *options]) == 0
    assert [json.loads(line)["object"] for line in capsys.readouterr().out.splitlines()] == objects


def test_what_is_not_there_is_a_usage_error(sessions, capsys, tmp_path):
    assert main(["audit", "verify"]) == 2
    assert main(["audit", "show", "ffff"]) == 2
    assert main(["audit", "verify", str(tmp_path / "absent.jsonl")]) == 2
    assert main(["audit", "show", "--limit", "0"]) == 2
    assert "error: there is no session yet" in capsys.readouterr().err


def test_a_file_that_is_no_log_is_an_error_without_traceback(state_home, capsys, tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b"\x00nonsense\n")
    assert main(["audit", "verify", str(tmp_path / "x.jsonl")]) == 1
    assert main(["audit", "show", str(tmp_path / "x.jsonl")]) == 125
    assert "line 1: a line of the log is no record" in capsys.readouterr().err
