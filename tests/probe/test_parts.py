"""All of a long call, in lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.probe.excerpt import cost
from gmcp_sandbox.probe.parts import PARTS, further_lines
from gmcp_sandbox.probe.question import question_of_row
from gmcp_sandbox.probe.render import BODY, render


def question(tool="mcp.call", **arguments):
    return question_of_row({"tool": tool, "args": {"server": "wiki", "tool": "save", "arguments": arguments}})


def words(count, name="word"):
    return " ".join(f"{name}{chr(97 + n % 26)}" for n in range(count))


def test_a_call_that_its_line_shows_whole_has_no_further_lines():
    short = question(page="start", text=words(20))
    assert words(20) in render(short)
    assert not further_lines(short)


def test_every_word_of_a_long_call_stands_in_a_line():
    marked = " ".join(f"w{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(300))
    lines = further_lines(question(text=marked))
    assert 4 < len(lines) < PARTS
    assert all(any(word in line for line in lines) for word in marked.split())
    assert all(line.startswith("call tool wiki/save: ") for line in lines)


def test_what_stands_where_one_line_ends_stands_whole_in_the_next():
    for before in range(60, 90):
        text = f"{words(before)} deletus totus archivus {words(100)}"
        assert any("deletus totus archivus" in line for line in further_lines(question(text=text)))


def test_the_middle_of_a_long_call_without_a_telling_word():
    hidden = question(text=f"{words(100)} move the books abroad {words(100)}")
    assert "books abroad" not in render(hidden)
    assert any("move the books abroad" in line for line in further_lines(hidden))


@pytest.mark.parametrize("tool", ["proc.exec", "fs.write", "incoming", "http.request"])
def test_only_calls_of_mcp_servers_have_further_lines(tool):
    assert not further_lines(question_of_row({"tool": tool, "args": {"command": words(500), "path": "a"}}))


def test_a_secret_is_in_no_line():
    text = f"{words(120)} ghp_{'a1B2' * 9} {words(50)}"
    assert all("a1B2" not in line for line in further_lines(question(text=text)))


@given(st.recursive(st.text(max_size=400), lambda inner: st.dictionaries(st.text(max_size=8), inner, max_size=6)))
def test_lines_are_few_and_short_whatever_the_call(arguments):
    asked = question_of_row({"tool": "mcp.call", "args": {"server": "s", "tool": "t", "arguments": arguments}})
    lines = further_lines(asked)
    assert len(lines) <= PARTS
    assert all(cost(line) <= BODY + 4 for line in lines)
