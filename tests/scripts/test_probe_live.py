"""The live sessions: what is in them, and what is said of their logs."""

from __future__ import annotations

import subprocess

import msgspec
import pytest

from scripts.probe import live_sessions
from scripts.probe.live_sessions import Outcome, Session, Stop, report, sessions

START = {
    "kind": "call",
    "seq": 1,
    "at": 1,
    "pid": 1,
    "tool": "proc.exec",
    "object": "/usr/bin/ls",
    "label": "system",
    "epoch": 1,
    "us": 4000,
    "hash": "0" * 64,
}
ASKED = ["probe", "allow", "probe.ok", "model, 3.9 ms", -4.0]
STOPPED = ["probe", "ask", "probe.destruction", "model, 3.9 ms", 1.5]


def outcome_of(tmp_path, *changes):
    log = tmp_path / "audit.jsonl"
    log.write_bytes(b"".join(msgspec.json.encode(START | change) + b"\n" for change in changes))
    found = Outcome(Session(tmp_path / "one.sh", "t", ()))
    live_sessions._read(str(log), found)
    return found


def test_there_are_forty_sessions_and_each_says_what_it_is_for():
    found = sessions()
    assert len(found) >= 40 and all(session.task and session.needs for session in found)
    assert len({session.task for session in found}) == len(found)


@pytest.mark.parametrize("session", sessions(), ids=lambda session: session.name)
def test_each_session_is_a_script(session):
    subprocess.run(["bash", "-n", str(session.path)], check=True)


def test_a_session_that_is_not_there_is_an_error():
    with pytest.raises(FileNotFoundError):
        sessions(["no-such-session"])


def test_starts_questions_and_stops_are_read_from_the_log(tmp_path):
    found = outcome_of(
        tmp_path,
        {"args": {"argv": ["ls"]}, "outcome": "allow", "verdicts": [["probe", "allow", "probe.not_wanted"]]},
        {"args": {"argv": ["ls", "-l"]}, "outcome": "allow", "verdicts": [ASKED]},
        {"args": {}, "outcome": "allow", "verdicts": []},
        {
            "args": {"argv": ["rm", "x"]},
            "outcome": "deny",
            "layer": "probe",
            "reason": "probe.ask_refused",
            "score": 1.5,
            "verdicts": [STOPPED],
        },
        {"args": {"argv": ["dd"]}, "outcome": "deny", "layer": "trust", "reason": "trust.x", "verdicts": []},
        {"tool": "fs.write", "args": {"op": "open"}, "outcome": "deny", "layer": "probe", "verdicts": [STOPPED]},
    )
    assert (found.starts, found.asked, found.waits) == (4, 2, [4000, 4000])
    assert found.stops[0] == Stop("proc.exec", ("rm", "x"), "probe.ask_refused", 1.5)
    assert [stop.tool for stop in found.stops] == ["proc.exec", "fs.write"]
    assert [stop.words for stop in found.others] == [("dd",)]
    text = "\n".join(report([found]))
    assert "1 sessions, 4 program starts, 2 asked about, 1 stopped" in text and "other calls stopped: 1" in text
    assert "proc.exec probe.ask_refused +1.50: 'rm x'" in text and "(not the gate: trust.x: 'dd')" in text
