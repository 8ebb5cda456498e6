"""The content that a waiting call would leave behind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.calls.arguments import FsDelete, FsWrite
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.monitor.changes import proposed


def call(args, content=None, extent=None, tool=Tool.FS_WRITE):
    return ToolCall(1, 1, "s", "a", 7, tool, "/ws/a", args, WORKSPACE, extent, content)


@pytest.mark.parametrize(
    ("asked", "after"),
    [
        (call(FsWrite("write"), b"XY", (1, 2)), b"aXYd"),
        (call(FsWrite("write"), b"XY", (6, 2)), b"abcd\0\0XY"),
        (call(FsWrite("write"), b"bcXY", (3, 2)), b"abcXY"[:1] + b"bcXY"),
        (call(FsWrite("write", append=True), b"XY", (4, 2)), b"abcdXY"),
        (call(FsWrite("open", truncate=True)), b""),
        (call(FsWrite("truncate", truncate=True), None, (0, 0)), b""),
        (call(FsWrite("truncate"), None, (2, 0)), b"ab"),
        (call(FsWrite("truncate"), None, (6, 0)), b"abcd\0\0"),
        (call(FsWrite("open")), None),
        (call(FsDelete("file"), tool=Tool.FS_DELETE), None),
    ],
)
def test_what_the_file_would_say(asked, after):
    assert proposed(asked, b"abcd", is_whole=False) == after


def test_content_that_is_the_whole_file_replaces_it():
    assert proposed(call(FsWrite("write"), b"[core]\n", (3, 2)), b"abcd", is_whole=True) == b"[core]\n"


@given(st.binary(max_size=40), st.binary(max_size=20), st.integers(0, 60))
def test_it_is_what_pwrite_leaves(tmp_path_factory, before, data, offset):
    path = tmp_path_factory.getbasetemp() / "written"
    path.write_bytes(before)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
    if data:
        assert proposed(call(FsWrite("write"), data, (offset, len(data))), before, is_whole=False) == path.read_bytes()
