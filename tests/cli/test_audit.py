from __future__ import annotations

import json

import pytest

from gmcp_sandbox.cli.main import main


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
