"""Calls that a person is asked about: on the terminal that the agent was started from, and from another one."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from gmcp_sandbox.client import Client
from tests.e2e.harness import read_records, wait_until
from tests.e2e.test_terminal import on_a_terminal

ASKING = """
name = "mine"
extends = "default"

[approvals]
approver = "{approver}"
deadline_seconds = {seconds}

[[rules]]
id = "keep-files"
text = "Files are removed, and plans are changed, after a yes."
effect = "ask"
tools = ["fs.delete", "fs.write"]
labels = ["workspace"]
paths = ["*.txt"]
"""
QUESTION = re.compile(rb"\x18\x1b\\.*?(?:allowed|denied|too late\))\r\n", re.DOTALL)
"""All that a question puts on the terminal, from the sequence that makes it readable to what became of it."""


def asking(sandbox, approver="terminal", seconds=60.0):
    return sandbox.profile(ASKING.format(approver=approver, seconds=seconds))


def answered(sandbox, script, *answers, seconds=60.0):
    """Run a script on a terminal, answer its questions, and return what was shown and the log."""
    options = ("-p", asking(sandbox, seconds=seconds))
    with on_a_terminal(sandbox, "bash", "-c", script, options=options) as screen:
        shown = b""
        for answer in answers:
            shown += screen.until(b"then Enter] ")
            screen.type(answer + b"\r")
        screen.end()
        return shown + screen.shown, screen.running


def asked(running):
    """Return outcome and reason of every call that asked, and who answered."""
    found = []
    for record in read_records(running.log):
        for verdict in record.get("verdicts", ()):
            if isinstance(verdict, list) and verdict[2].startswith("constitution.ask_"):
                found.append((record["outcome"], verdict[2].removeprefix("constitution."), verdict[3]))
    return found


KEEP = "constitution.keep-files"


@pytest.mark.parametrize(("key", "is_there"), [(b"a", False), (b"d", True), (b"\x03", True)], ids=["a", "d", "ctrl-c"])
def test_a_question_on_the_terminal_is_answered_with_a_key(sandbox, key, is_there):
    sandbox.write("x.txt", "x")
    shown, running = answered(sandbox, "rm -f x.txt; echo status $?", key)
    assert b"may bash do this?" in shown
    assert f"fs.delete  {sandbox.workspace}/x.txt".encode() in shown
    assert (sandbox.workspace / "x.txt").exists() is is_there
    assert (b"status 1\r\n" if is_there else b"status 0\r\n") in shown
    answer = ("deny", "ask_refused") if is_there else ("allow", "ask_approved")
    assert asked(running) == [(*answer, f"{KEEP}: the terminal")]


def test_an_answer_for_the_session_is_asked_for_once(sandbox):
    for name in ("x.txt", "y.txt"):
        sandbox.write(name, "x")
    shown, running = answered(sandbox, "rm -f x.txt; rm -f y.txt; touch made; rm -f z.txt y.txt", b"w")
    assert shown.count(b"then Enter] ") == 1
    covered = f"{KEEP}: an answer for this session: {sandbox.workspace}/**"
    assert asked(running) == [("allow", "ask_approved", f"{KEEP}: the terminal"), ("allow", "ask_approved", covered)]


def test_silence_is_a_denial_and_the_question_goes_away(sandbox):
    sandbox.write("x.txt", "x")
    shown, running = answered(sandbox, "rm -f x.txt; echo status $?", seconds=1.0)
    assert b"(answered elsewhere, or too late)" in shown
    assert b"status 1\r\n" in shown
    assert [(one[0], one[1]) for one in asked(running)] == [("deny", "ask_unanswered")]


def test_what_the_agent_writes_meanwhile_comes_whole_and_after_the_answer(sandbox):
    sandbox.write("x.txt", "x")
    shown, _ = answered(sandbox, "seq 1 3000 & rm -f x.txt; wait; echo end", b"a")
    rest = QUESTION.sub(b"", shown)
    assert len(rest) < len(shown)
    assert rest.replace(b"\r", b"").split(b"\n")[:3001] == [*(b"%d" % number for number in range(1, 3001)), b"end"]


def test_a_name_cannot_steer_the_terminal(sandbox):
    """It would hide the question, or show another one."""
    sandbox.write(
        "remove.py", r"""import os; name = "\x1b[2J\x1b[1;1H\rmay\u202ewon.txt"; os.mknod(name); os.unlink(name)"""
    )
    shown, _ = answered(sandbox, "python3 remove.py", b"d")
    (question,) = QUESTION.findall(shown)
    assert b"/\\x1b[2J\\x1b[1;1H\\rmay\\u202ewon.txt" in question
    assert b"\x1b[2J" not in question and "\u202e".encode() not in question


def test_keys_for_the_agent_answer_nothing(sandbox):
    sandbox.write("x.txt", "x")
    options = ("-p", asking(sandbox))
    with on_a_terminal(sandbox, "bash", "-c", "rm -f x.txt; echo status $?", options=options) as screen:
        screen.type(b"a\ra\ra\r")  # before the question takes any
        screen.until(b"then Enter] ")
        screen.type(b"alright\r")
        screen.until(b"then Enter] ")
        screen.type(b"d\r")
        screen.end()
        assert b"status 1" in screen.shown


# ------------------------------------------------------------------------------------------------- another terminal


@pytest.fixture
def held(sandbox):
    """Return a function that starts a script, and one that returns the question for which it waits."""

    def start(script, profile=None):
        words = ("-p", profile or asking(sandbox, "anyone"), "--", "bash", "-c", script)
        return sandbox.start(*words, stdin=subprocess.PIPE)

    def question():
        def listed():
            lines = sandbox.command("approve", "--json").text.splitlines()
            return [json.loads(line) for line in lines]

        (found,) = wait_until(listed, "a question", 30)
        return found

    return start, question


def test_another_terminal_lists_shows_and_answers(sandbox, held):
    start, question = held
    sandbox.write("plan.txt", "one\ntwo\n")
    sandbox.write("x.txt", "x")
    with start("echo three >> plan.txt; rm -f x.txt; touch x.txt; rm -f x.txt; echo status $?") as running:
        first = question()  # the open; the write after it has the content
        session = first["session"]
        sandbox.command("approve", session, str(first["id"]))
        write = wait_until(lambda: (found := question())["id"] != first["id"] and found, "the write")
        listed = sandbox.command("approve").text
        assert f"{session} {write['id']}  fs.write  {sandbox.workspace}/plan.txt" in listed
        assert f"{KEEP}: " in listed
        shown = sandbox.command("approve", session, str(write["id"]), "--show").text
        assert shown.endswith(
            "  the change, against what the file says now:\n  @@ -1,2 +1,3 @@\n   one\n   two\n  +three\n"
        )
        assert sandbox.command("approve", session, str(write["id"])).text == "allowed once\n"
        removal = wait_until(lambda: (found := question())["tool"] == "fs.delete" and found, "the removal")
        told = sandbox.command("approve", session, str(removal["id"]), "--session").text
        assert told == f"allowed for this session: {sandbox.workspace}/x.txt\n"
        result = running.end()
    assert result.text == "status 0\n"
    assert (sandbox.workspace / "plan.txt").read_text() == "one\ntwo\nthree\n"


def test_an_answer_is_written_into_the_profile_and_holds_in_the_next_session(sandbox, held):
    start, question = held
    profile = asking(sandbox, "anyone")
    sandbox.own(Path(profile), sandbox.base)
    script = "touch x.txt; rm -f x.txt; echo status $?"
    with start(script, profile) as running:
        found = question()
        said = sandbox.command("approve", found["session"], str(found["id"]), "--always").text
        assert said == f"allowed for this session: {sandbox.workspace}/x.txt\nwritten to {profile}\n"
        assert running.end().text == "status 0\n"
    assert sandbox.command("profile", "check", profile).code == 0
    assert f'objects = ["{sandbox.workspace}/x.txt"]' in Path(profile).read_text()
    result = sandbox.exec("bash", "-c", script, profile=profile)
    assert result.text == "status 0\n"


def test_a_denial_from_another_terminal_and_only_the_held_call_waits(sandbox, held):
    start, question = held
    sandbox.write("x.txt", "x")
    with start(
        "(rm -f x.txt; echo status $?) & cat /etc/hostname > other; echo others go on; wait; read line"
    ) as running:
        running.read_until(b"others go on")
        found = question()
        assert sandbox.command("approve", found["session"], str(found["id"]), "--deny").text == "denied\n"
        again = sandbox.command("approve", found["session"], str(found["id"]))
        assert again.code == 2 and f"no question {found['id']} is open" in again.err
        running.read_until(b"status 1")
        running.send(b"\n")
        running.end()
    assert (sandbox.workspace / "x.txt").exists()


def test_a_program_answers_through_the_client(sandbox, held):
    start, _ = held
    sandbox.write("x.txt", "x")
    sandbox.write("y.txt", "y")
    with start("echo ready; rm -f x.txt; rm -f y.txt; true") as running:
        running.read_until(b"ready")
        with Client(str(running.log), timeout=30) as client:
            for questions in client.watch():
                for each in questions:
                    client.answer(each["id"], allow=each["object"].endswith("/x.txt"), by="a policy bot")
        result = running.end()
    assert not (sandbox.workspace / "x.txt").exists() and (sandbox.workspace / "y.txt").exists()
    assert {by for _, _, by in asked(running)} == {f"{KEEP}: a policy bot"}
    assert result.code == 0
