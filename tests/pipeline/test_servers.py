"""Grants of MCP servers: default is deny."""

from __future__ import annotations

import msgspec
import pytest

from gmcp_sandbox.calls.arguments import (
    McpCall,
    McpComplete,
    McpElicit,
    McpList,
    McpLog,
    McpPrompt,
    McpRead,
    McpRoots,
    McpSample,
)
from gmcp_sandbox.calls.labels import TOOL, WORKSPACE
from gmcp_sandbox.calls.tools import MCP_TOOLS, Tool
from gmcp_sandbox.pipeline.servers import Servers
from gmcp_sandbox.pipeline.toolschema import compile_schema
from gmcp_sandbox.policy.mcp import Mcp, McpServer, ToolLimit
from gmcp_sandbox.policy.profile import Tier
from gmcp_sandbox.policy.state import SessionState
from gmcp_sandbox.policy.toolbook import KnownTool
from tests.pipeline.samples import call

OPEN = compile_schema({"type": "object"})
FILES = McpServer("files", tools=("read_*", "write_file"), limits=(ToolLimit(("write_*",), tier="trusted"),))
ASKED = {
    Tool.MCP_CALL: ("files/read_file", McpCall("files", "{}")),
    Tool.MCP_LIST: ("files", McpList("files", "resources")),
    Tool.MCP_READ: ("files/file:///a", McpRead("files", "file:///a")),
    Tool.MCP_PROMPT: ("files/p", McpPrompt("files", "{}")),
    Tool.MCP_COMPLETE: ("files", McpComplete("files", "{}")),
    Tool.MCP_SAMPLE: ("files", McpSample("files", "request", "{}")),
    Tool.MCP_ELICIT: ("files", McpElicit("files", "request", "{}")),
    Tool.MCP_ROOTS: ("files", McpRoots("files", "request")),
    Tool.MCP_LOG: ("files", McpLog("files", "message", "{}")),
}


def state(tier=Tier.STANDARD, **tools):
    found = SessionState(tier)
    found.learn("files", {"read_file": KnownTool(OPEN), "write_file": KnownTool(OPEN), **tools})
    return found


def reason(tool, server=FILES, *, tier=Tier.STANDARD, asked=None, known=None):
    name, args = ASKED[tool] if asked is None else asked
    mcp = None if server is None else Mcp((server,))
    return Servers(mcp, tier).judge(call(tool, name, args, TOOL), known or state(tier)).reason


def test_every_tool_is_asked_about():
    assert ASKED.keys() == MCP_TOOLS


@pytest.mark.parametrize("tool", sorted(MCP_TOOLS - {Tool.MCP_CALL}))
def test_what_no_grant_names_is_off(tool):
    assert reason(tool) in ("trust.not_granted", "trust.no_resource", "trust.no_prompt")
    assert reason(tool, None) == "trust.no_mcp"
    assert reason(tool, McpServer("other", tools=("*",))) == "trust.no_server"


@pytest.mark.parametrize(
    ("tool", "grant"),
    [
        (Tool.MCP_LIST, {"resources": ("*",)}),
        (Tool.MCP_READ, {"resources": ("file:///*",)}),
        (Tool.MCP_PROMPT, {"prompts": ("p",)}),
        (Tool.MCP_COMPLETE, {"completion": True}),
        (Tool.MCP_SAMPLE, {"sampling": True}),
        (Tool.MCP_ELICIT, {"elicitation": True}),
        (Tool.MCP_ROOTS, {"roots": True}),
        (Tool.MCP_LOG, {"logging": True}),
    ],
)
def test_each_grant_gives_what_it_says(tool, grant):
    server = msgspec.structs.replace(FILES, **grant)
    assert reason(tool, server) == "trust.ok"
    assert reason(tool, server, tier=Tier.UNTRUSTED) == "trust.tier"


def test_tools_by_name_and_tier():
    assert reason(Tool.MCP_CALL) == "trust.ok"
    delete = ("files/delete", McpCall("files", "{}"))
    assert reason(Tool.MCP_CALL, asked=delete) == "trust.no_tool"
    write = ("files/write_file", McpCall("files", "{}"))
    assert reason(Tool.MCP_CALL, asked=write) == "trust.tier"
    assert reason(Tool.MCP_CALL, asked=write, tier=Tier.TRUSTED) == "trust.ok"
    assert reason(Tool.MCP_CALL, tier=Tier.TRUSTED, known=state(Tier.UNTRUSTED)) == "trust.tier"


def test_a_tool_must_be_listed_and_approved():
    assert reason(Tool.MCP_CALL, known=SessionState(Tier.STANDARD)) == "trust.unknown_tool"
    assert reason(Tool.MCP_CALL, known=state(read_file=KnownTool(OPEN, ("changed",)))) == "trust.not_approved"
    assert reason(Tool.MCP_CALL, known=state(read_file=KnownTool(None))) == "trust.not_approved"


def test_only_objects_of_servers():
    name, args = ASKED[Tool.MCP_CALL]
    wrong = call(Tool.MCP_CALL, name, args, WORKSPACE)
    assert Servers(Mcp((FILES,)), Tier.STANDARD).judge(wrong, state()).reason == "trust.no_capability"
