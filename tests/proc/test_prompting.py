from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.proc.prompting import Prompt, Reply

QUESTION = {
    "id": 3,
    "session": "7f3a2b1c",
    "agent": "coder",
    "tool": "fs.delete",
    "object": "/ws/\x1b[2Ja",
    "arguments": {"kind": "file", "replaces": False},
    "reasons": [["constitution", "constitution.ask-me", "a person decides"]],
    "patterns": ["/ws/a", "/ws/**"],
    "content_bytes": 12,
}


@pytest.fixture
def prompt():
    return Prompt(QUESTION)


def test_the_text_shows_what_is_asked_and_steers_no_terminal(prompt):
    text = prompt.text()
    assert "fs.delete  /ws/\\x1b[2Ja" in text
    assert "constitution.ask-me: a person decides" in text
    assert "/ws/**" in text and "12 bytes: gmcp-sandbox approve 7f3a2b1c 3 --show" in text
    assert "\x1b" not in text
    assert "\n" not in text.replace("\r\n", "")


def test_a_pattern_that_is_not_shown_in_full_is_not_offered():
    prompt = Prompt({**QUESTION, "patterns": ["/ws/" + "\x1b" * 1000, "/ws/**"]})
    assert "allow for this session: /ws/**" in prompt.text()
    assert prompt.feed(b"s\r")[0] == Reply(allow=True, pattern="/ws/**")


@pytest.mark.parametrize(
    ("typed", "reply"),
    [
        (b"a\r", Reply(allow=True)),
        (b"A\n", Reply(allow=True)),
        (b"d\r", Reply(allow=False)),
        (b"s\r", Reply(allow=True, pattern="/ws/a")),
        (b"w\r", Reply(allow=True, pattern="/ws/**")),
        (b"\x03", Reply(allow=False)),
        (b"aa\x04", Reply(allow=False)),
        (b"xa\x7f\x7fa\r", Reply(allow=True)),
    ],
)
def test_one_letter_and_enter_answer(prompt, typed, reply):
    assert prompt.feed(typed)[0] == reply


@pytest.mark.parametrize("typed", [b"a", b"\r", b"vim a file\r", b"make all\rls\r", b"y\r", b"aa\r", b"\x1b[A\r"])
def test_what_was_meant_for_the_agent_answers_nothing(prompt, typed):
    assert prompt.feed(typed)[0] is None


def test_without_a_pattern_there_is_no_answer_for_the_session():
    prompt = Prompt({**QUESTION, "patterns": []})
    assert prompt.feed(b"s\rw\r")[0] is None


@given(st.binary(max_size=80))
def test_yes_is_said_by_a_line_of_one_letter_alone(typed):
    reply, shown = Prompt(QUESTION).feed(typed)
    assert "\x1b" not in shown
    if reply is not None and reply.allow:
        lines = typed.replace(b"\r", b"\n").split(b"\n")
        assert any(line.strip(b"\x00").lower()[-1:] in b"asw" for line in lines)
