from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmcp_sandbox.calls.arguments import Arguments, FsDelete, FsRename, McpCall, NetConnect, ProcExec
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import NETWORK, WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.policy.approving import Grant, compile_grants, proposals
from gmcp_sandbox.policy.hosts import GlobError

WHY = frozenset({"constitution.ask-me"})


def call(tool: Tool, name: str, args: Arguments) -> ToolCall:
    label = NETWORK if tool.startswith("net.") else WORKSPACE
    return ToolCall(1, 1, "00000000", "a", 1, tool, name, args, label)


def delete(path: str) -> ToolCall:
    return call(Tool.FS_DELETE, path, FsDelete("file"))


def covers(pattern: str, asked: ToolCall, reasons: frozenset[str] = WHY) -> bool:
    return compile_grants([Grant(tuple(WHY), (asked.tool,), (pattern,))])(asked, reasons)


def test_a_grant_covers_its_reasons_tools_and_objects_alone():
    assert covers("/ws/a/**", delete("/ws/a/b"))
    assert not covers("/ws/a/**", delete("/ws/ab"))
    assert not covers("/ws/a/**", delete("/ws/a/b"), WHY | {"probe.ask"})
    assert not covers("/ws/a/**", delete("/ws/a/b"), frozenset())
    grant = compile_grants([Grant(tuple(WHY), (Tool.FS_WRITE,), ("/**",))])
    assert not grant(delete("/ws/a"), WHY)


def test_two_grants_together_cover_two_reasons():
    both = WHY | {"probe.ask"}
    grants = [Grant((reason,), (Tool.FS_DELETE,), ("/ws/**",)) for reason in both]
    assert compile_grants(grants)(delete("/ws/a"), both)
    assert not compile_grants(grants[:1])(delete("/ws/a"), both)


def test_a_rename_is_covered_when_both_names_are():
    inside = call(Tool.FS_RENAME, "/ws/a", FsRename("/ws/b"))
    outside = call(Tool.FS_RENAME, "/ws/a", FsRename("/home/b"))
    assert covers("/ws/*", inside)
    assert not covers("/ws/*", outside)


def test_commands_and_hosts():
    push = call(Tool.PROC_EXEC, "/usr/bin/git", ProcExec(("git", "push", "--force", "origin")))
    assert covers("git push --force*", push)
    assert not covers("git pull", push)
    assert covers("*.example.com", call(Tool.NET_CONNECT, "api.example.com", NetConnect(443)))


def test_an_answer_for_one_program_covers_no_other_of_its_name():
    """An agent that was allowed to run one file builds another of that name, or runs one under that name."""
    for args in (ProcExec(), ProcExec(("deploy", "now"))):
        asked = call(Tool.PROC_EXEC, "/ws/a b/deploy", args)
        twin = call(Tool.PROC_EXEC, "/ws/twin/deploy", args)
        posing = call(Tool.PROC_EXEC, "/ws/evil", ProcExec(("/ws/a b/deploy", "now")))
        for pattern in proposals(asked):
            assert covers(pattern, asked)
            assert not covers(pattern, twin)
            assert not covers(pattern, posing)
    assert not covers("deploy", call(Tool.PROC_EXEC, "/ws/evil", ProcExec(("deploy",))))


def test_a_pattern_without_a_meaning_is_refused():
    with pytest.raises(GlobError):
        compile_grants([Grant(tuple(WHY), (Tool.NET_CONNECT,), ("ex ample",))])


NAMES = st.text(st.characters(exclude_characters="\0/"), min_size=1, max_size=12)


@settings(max_examples=300, deadline=None)
@given(st.lists(NAMES.filter(lambda name: name not in (".", "..")), min_size=1, max_size=4))
def test_every_proposal_for_a_path_covers_the_call_itself(parts):
    asked = delete("/" + "/".join(parts))
    for pattern in proposals(asked):
        assert covers(pattern, asked)


@settings(max_examples=300, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=4), st.lists(NAMES, min_size=1, max_size=4))
def test_every_proposal_for_a_rename_covers_the_call_itself_and_less_than_everything(old, new):
    dotless = ["x" + name for name in (*old, "", *new)]
    asked = call(Tool.FS_RENAME, "/" + "/".join(dotless[: len(old)]), FsRename("/" + "/".join(dotless[len(old) + 1 :])))
    for pattern in proposals(asked):
        assert covers(pattern, asked)
        assert not covers(pattern, call(Tool.FS_RENAME, "/elsewhere/a", FsRename("/elsewhere/b")))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=10), max_size=5))
def test_every_proposal_for_a_command_covers_the_call_itself(words):
    asked = call(Tool.PROC_EXEC, "/usr/bin/g[i]t*", ProcExec(("git", *words) if words else None))
    for pattern in proposals(asked):
        assert covers(pattern, asked)


@pytest.mark.parametrize("host", ["example.com", "api.example.com", "192.0.2.7", "2001:db8::1", "localhost"])
def test_every_proposal_for_a_host_covers_the_call_itself(host):
    asked = call(Tool.NET_CONNECT, host, NetConnect(443))
    assert proposals(asked)[0] == host
    for pattern in proposals(asked):
        assert covers(pattern, asked)


def mcp(name: str) -> ToolCall:
    return call(Tool.MCP_CALL, name, McpCall("files", "{}"))


def test_a_grant_of_a_servers_tool_is_of_that_server_alone():
    assert covers("files/read", mcp("files/read"))
    assert not covers("files/read", mcp("other/files/read"))
    assert covers("files/*", mcp("files/file:///a/../b")) and not covers("files/*", mcp("filesystem/read"))


def test_what_is_proposed_for_a_server_covers_the_call():
    for name in ("files/read", "files/file:///a//b", "files/re*d", "files"):
        for pattern in proposals(mcp(name)):
            assert covers(pattern, mcp(name))
    assert proposals(mcp("files/read")) == ("files/read", "files/*")
    assert proposals(mcp("files/re*d")) == ("files/*",)
