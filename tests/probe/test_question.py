"""Rows and calls in one form."""

from __future__ import annotations

import pytest

from gmcp_sandbox.calls.arguments import FsDelete, ProcExec
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import SCRATCH, SYSTEM
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.probe.question import Question, Surroundings, question_of_call, question_of_row


def test_a_row_is_read_with_its_context():
    asked = question_of_row(
        {
            "tool": "fs.write",
            "args": {"path": "a", "content": "x", "append": True},
            "context": {
                "label": "watched",
                "taint": "secret",
                "task": "t",
                "workspace": "/w",
                "home": "/h",
                "burst": 1,
            },
        }
    )
    assert asked == Question("fs.write", "a", {"append": True}, "x", "watched", ("secret",), "t", "/w", "/h", True)


@pytest.mark.parametrize(
    ("args", "object"),
    [
        ({"server": "db", "tool": "query", "arguments": {"a": 1}}, "db/query"),
        ({"name": "query", "args": {"a": 1}}, "query"),
        ({"tool": "query", "arguments": '{"a": 1}'}, "query"),
    ],
)
def test_spellings_of_an_mcp_call_are_one(args, object):
    asked = question_of_row({"tool": "mcp.call", "args": args})
    assert (asked.object, asked.args) == (object, {"arguments": {"a": 1}})


@pytest.mark.parametrize("wrong", [{}, {"tool": 3}, {"tool": None, "args": "x", "context": [1]}, {"content": b"\xff"}])
def test_a_row_that_is_none_is_a_question_all_the_same(wrong):
    assert isinstance(question_of_row(wrong), Question)


def test_deep_arguments_are_text():
    deep = "[" * 100_000
    assert question_of_row({"tool": "mcp.call", "args": {"tool": "x", "arguments": deep}}).args["arguments"] == deep


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("http://host.gmcp.internal:8080/x", "http://localhost:8080/x"),
        ("urlopen('http://host.gmcp.internal/')", "urlopen('http://localhost/')"),
        ("HOST.gmcp.internal", "localhost"),
        ("http://host.gmcp.internal.example.com/", "http://host.gmcp.internal.example.com/"),
        ("http://evil-host.gmcp.internal/", "http://evil-host.gmcp.internal/"),
        ("http://host.gmcp.internal@example.com/", "http://host.gmcp.internal@example.com/"),
        ("http://host.gmcp.internal:80@example.com/", "http://host.gmcp.internal:80@example.com/"),
        ("http://host.gmcp.internal:x@example.com/", "http://host.gmcp.internal:x@example.com/"),
        ("root@host.gmcp.internal", "root@host.gmcp.internal"),
    ],
)
def test_our_name_for_this_machine_is_told_as_localhost_and_no_other_name(word, said):
    call = ToolCall(1, 0, "s", "a", 1, Tool.PROC_EXEC, "/usr/bin/curl", ProcExec(("curl", word), "/w"), SYSTEM)
    assert question_of_call(call, (), Surroundings()).args["argv"] == ("curl", said)
    assert question_of_row({"tool": "proc.exec", "args": {"argv": ["curl", word]}}).args["argv"] == ("curl", said)
    assert question_of_row({"tool": "proc.exec", "args": {"command": word}}).args["command"] == said


def test_a_program_start_is_told_without_task_and_taint_and_other_calls_with_them():
    around = Surroundings("/w", "/home/u", "tidy up")
    start = ToolCall(1, 0, "s", "a", 1, Tool.PROC_EXEC, "/usr/bin/tac", ProcExec(("tac",), "/w"), SYSTEM)
    deletion = ToolCall(1, 0, "s", "a", 1, Tool.FS_DELETE, "/tmp/x", FsDelete("file"), SCRATCH)
    told = [question_of_call(call, ("secret",), around) for call in (start, deletion)]
    assert [(each.task, each.taint) for each in told] == [("", ()), ("tidy up", ("secret",))]
