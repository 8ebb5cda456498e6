"""`approve` before a real control socket: it lists, shows, answers, and writes down what it was told to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gmcp_sandbox.cli.main import build_parser
from gmcp_sandbox.client import Client
from gmcp_sandbox.errors import UsageError
from gmcp_sandbox.monitor.statedir import StateDir
from tests.cli.desk import Desk, delete, write
from tests.cli.launches import Place, Served


def approve(*words: str) -> int:
    args = build_parser("approve").parse_args(["approve", *words])
    return int(args.run(args))


@pytest.fixture
def own(place: Place) -> Path:
    return Path(place.profile(""))


@pytest.fixture
def desk(sessions: Any, place: Place, own: Path) -> Iterator[Desk]:
    session, writer = sessions.make(os.getpid())
    meta = session.meta()
    session.write_meta(msgspec.structs.replace(meta, profile_path=str(own)))
    with Desk(session, writer, place.prepare("true")) as made:
        yield made


def test_no_session_is_said(state_home: Path) -> None:
    with pytest.raises(UsageError, match="no session is running"):
        approve()


def test_a_session_that_has_ended_is_said(sessions: Any) -> None:
    session, _ = sessions.make(ended=True)
    with pytest.raises(UsageError, match="has ended"):
        approve(session.id)


def test_nothing_open_is_said_and_json_stays_empty(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert approve() == 0
    assert capsys.readouterr().out == "nothing waits for an answer\n"
    assert approve("--json") == 0
    assert capsys.readouterr().out == ""


def test_the_list_has_each_question_with_its_reasons(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.ask(delete("/ws/\x1b[2Ja"))
    desk.ask(delete("/ws/\x1b[2Ja"))
    desk.ask(write("/ws/b", b"x"))
    approve()
    first, reason, second, _ = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{desk.session.id} 1 ×2  fs.delete  /ws/\\x1b[2Ja  ")
    assert first.endswith(" s left")
    assert reason == "    constitution.keep-files: a person decides"
    assert second.startswith(f"{desk.session.id} 2  fs.write  /ws/b")
    assert desk.answers == {}


def test_the_list_as_json_is_what_the_session_says(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.ask(delete("/ws/a"))
    approve(desk.session.id, "--json")
    (line,) = capsys.readouterr().out.splitlines()
    with Client(str(desk.session.path)) as client:
        assert json.loads(line) == {"session": desk.session.id, **client.asks()[0]}


@pytest.mark.parametrize("words", [["--deny"], ["--show"], ["--session"], ["--pattern", "*"], ["--always"]])
def test_an_answer_names_its_question(desk: Desk, words: list[str]) -> None:
    with pytest.raises(UsageError, match="which question"):
        approve(*words)


def test_a_question_that_is_not_open_is_said(desk: Desk) -> None:
    with pytest.raises(UsageError, match="no question 7 is open"):
        approve(desk.session.id, "7")


def test_an_answer_is_for_once(desk: Desk) -> None:
    desk.ask(delete("/ws/a"))
    assert approve(desk.session.id[:6], "1") == 0
    desk.settle()
    assert (desk.answers["/ws/a"].is_granted, desk.answers["/ws/a"].by) == (True, "approve")
    desk.ask(delete("/ws/a"))
    assert len(desk.approvals.pending()) == 1


def test_a_denial_is_one_whatever_else_is_said(desk: Desk, own: Path) -> None:
    before = own.read_text()
    for number, words in enumerate(([], ["--session"], ["--pattern", "/ws/**"], ["--always"]), 1):
        desk.ask(delete(f"/ws/{number}"))
        approve(desk.session.id, str(number), "--deny", *words)
        desk.settle()
        assert not desk.answers[f"/ws/{number}"].is_granted
    desk.ask(delete("/ws/4"))
    assert len(desk.approvals.pending()) == 1
    assert own.read_text() == before


def test_for_the_session_covers_the_same_and_a_pattern_what_it_says(desk: Desk) -> None:
    desk.ask(delete("/ws/a"))
    approve(desk.session.id, "1", "--session")
    desk.ask(delete("/ws/a"))
    assert desk.approvals.pending() == []
    desk.ask(delete("/ws/sub/b"))
    approve(desk.session.id, "2", "--pattern", "/ws/sub/**")
    desk.ask(delete("/ws/sub/c"))
    desk.ask(delete("/ws/c"))
    assert [question.object for question in desk.approvals.pending()] == ["/ws/c"]


def test_a_pattern_that_misses_the_question_answers_nothing(desk: Desk, own: Path) -> None:
    before = own.read_text()
    desk.ask(delete("/ws/a"))
    for option in ("--pattern", "--always"):
        with pytest.raises(UsageError, match="does not cover"):
            approve(desk.session.id, "1", option, "/etc/**")
    assert len(desk.approvals.pending()) == 1
    assert own.read_text() == before


@pytest.mark.parametrize(("words", "covered"), [([], '["/ws/a"]'), (["/ws/**"], '["/ws/**"]')])
def test_always_is_written_into_the_profile(
    desk: Desk, own: Path, capsys: pytest.CaptureFixture[str], words: list[str], covered: str
) -> None:
    desk.ask(delete("/ws/a"))
    approve(desk.session.id, "1", "--always", *words)
    desk.settle()
    assert desk.answers["/ws/a"].is_granted
    pattern = words[0] if words else "/ws/a"
    assert capsys.readouterr().out == f"allowed for this session: {pattern}\nwritten to {own}\n"
    assert own.read_text().endswith(
        f'[[approvals.grants]]\nreasons = ["constitution.keep-files"]\ntools = ["fs.delete"]\nobjects = {covered}\n'
    )


def test_a_question_is_shown_with_all_that_is_known_and_stays_open(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.ask(write("/ws/a", b"first\n\x1b[8mhidden\n"))
    approve(desk.session.id, "1", "--show", "--deny")
    assert capsys.readouterr().out.splitlines() == [
        f"session {desk.session.id}, question 1, call 6 of coder",
        "  fs.write  /ws/a  (label workspace)",
        '  {"op":"write"}',
        "  constitution: constitution.keep-files: a person decides",
        "  --session would cover: /ws/a",
        "  --pattern would cover: /ws/**",
        "  17 bytes:",
        "  | first",
        "  | \\x1b[8mhidden",
    ]
    assert len(desk.approvals.pending()) == 1


@contextmanager
def waiting(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run `approve --wait`."""
    command = [sys.executable, "-m", "gmcp_sandbox", "approve", "--wait", "--json", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Return session and object of the next question."""
    assert process.stdout is not None
    question = json.loads(process.stdout.readline())
    return question["session"], question["object"]


def test_waiting_prints_each_question_once_until_the_session_ends(sessions: Any, place: Place) -> None:
    session, writer = sessions.make(os.getpid())
    with waiting(session.id) as process:
        with Desk(session, writer, place.prepare("true")) as desk:
            desk.ask(delete("/ws/a"))
            assert told(process) == (session.id, "/ws/a")
            desk.ask(delete("/ws/b"))
            assert told(process) == (session.id, "/ws/b")
        assert process.wait(30) == 0


def test_waiting_for_all_takes_in_sessions_that_start_later(sessions: Any, place: Place) -> None:
    first, second = sessions.make(os.getpid()), sessions.make(os.getpid())
    with Desk(first[0], first[1], place.prepare("true")) as desk, waiting() as process:
        desk.ask(delete("/ws/a"))
        assert told(process) == (first[0].id, "/ws/a")
        with Desk(second[0], second[1], place.prepare("true")) as later:
            later.ask(delete("/ws/b"))
            assert told(process) == (second[0].id, "/ws/b")
        desk.ask(delete("/ws/c"))
        assert told(process) == (first[0].id, "/ws/c")


@pytest.mark.needs("sandbox")
def test_a_real_agent_waits_for_the_answer_and_gets_it(
    served: Callable[..., Served], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", place.environ["XDG_STATE_HOME"])
    rule = (
        '[[rules]]\nid = "keep-files"\ntext = "Files stay."\neffect = "ask"\ntools = ["fs.delete"]\npaths = ["*.txt"]\n'
    )
    profile = place.profile(f'[approvals]\napprover = "anyone"\ndeadline_seconds = 60\n{rule}')
    for name in ("yes.txt", "no.txt"):
        (place.work / name).write_text("x")
    session = served("-p", profile, "--", "/bin/sh", "-c", "echo ready; rm yes.txt; rm no.txt; exit $?")
    session.until(b"ready")
    (directory,) = StateDir.open(place.environ).sessions()
    answered = set()
    with Client(str(directory.path), timeout=30) as client:
        for questions in client.watch():
            for question in questions:
                if question["id"] in answered:
                    continue  # what was open when the list was sent need not be any more
                answered.add(question["id"])
                words = [] if question["object"].endswith("/yes.txt") else ["--deny"]
                approve(directory.id, str(question["id"]), *words)
    assert session.final()["code"] == 1
    assert not (place.work / "yes.txt").exists()
    assert (place.work / "no.txt").exists()
