from __future__ import annotations

import json
import os
import time

import pytest

from gmcp_sandbox.audit.ledger import Line, enter
from gmcp_sandbox.audit.signing import load_key
from gmcp_sandbox.cli.main import main
from gmcp_sandbox.monitor.statedir import KEYS


def test_verify_says_whole_and_returns_0(sessions, capsys):
    session, writer = sessions.make(ended=True)
    writer.seal({"reason": "exited", "code": 0})
    assert main(["audit", "verify", session.id[:4]]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"WHOLE  session {session.id}: 6 good records in 1 file"
    assert out[1].startswith("  signed: all records, by the key ")
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


def seal(session, writer):
    """End a session as its supervisor does."""
    writer.seal({"reason": "exited", "code": 0})
    line = Line(session.id, time.time_ns(), writer.records, writer.head.hex(), prev="")
    enter(str(session.state), line, load_key(str(session.state / KEYS)))


def test_a_log_that_was_cut_back_to_a_signed_end_is_found_by_the_ledger(sessions, capsys):
    session, writer = sessions.make()
    writer.checkpoint()
    older = session.log.read_bytes()
    seal(session, writer)
    assert main(["audit", "verify", session.id]) == 0
    session.log.write_bytes(older)
    assert main(["audit", "verify", session.id]) == 1
    assert "the ledger says that it ended with record" in capsys.readouterr().out


def test_an_old_log_of_the_same_session_put_back_is_found_though_its_description_is_gone(sessions, capsys):
    session, writer = sessions.make()
    writer.checkpoint()
    older = session.log.read_bytes()
    seal(session, writer)
    session.log.write_bytes(older)
    (session.path / "meta.json").unlink()
    assert main(["audit", "verify", session.id]) == 1


def test_a_log_that_is_handed_on_is_judged_by_the_key_that_is_given(sessions, capsys, tmp_path):
    session, writer = sessions.make()
    seal(session, writer)
    assert main(["audit", "key"]) == 0
    key = capsys.readouterr().out.strip()
    copy = tmp_path / "handed-on.jsonl"
    copy.write_bytes(session.log.read_bytes())
    assert main(["audit", "verify", str(copy)]) == 0
    assert "only the log itself names" in capsys.readouterr().out
    (tmp_path / "key.pub").write_text(key + "\n")
    assert main(["audit", "verify", str(copy), "--key", str(tmp_path / "key.pub")]) == 0
    assert main(["audit", "verify", str(copy), "--key", key]) == 0
    assert "only the log itself" not in capsys.readouterr().out
    assert main(["audit", "verify", str(copy), "--key", "0" * 64]) == 1
    assert "names another key" in capsys.readouterr().out
    assert main(["audit", "verify", str(copy), "--key", "nonsense"]) == 125


def test_what_is_not_signed_yet_is_named(sessions, capsys, decide):
    session, writer = sessions.make(os.getpid())
    writer.checkpoint()
    writer.append(decide(session, 4, "/ws/late"), 1)
    assert main(["audit", "verify", session.id]) == 0
    assert "signed: records 1–4, by the key" in capsys.readouterr().out
    assert main(["audit", "verify", session.id, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["records"], found["signed"], found["own_key"]) == (6, 4, True)
