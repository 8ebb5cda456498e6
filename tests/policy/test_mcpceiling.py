"""MCP servers below an organisation's ceiling."""

from __future__ import annotations

import msgspec
import pytest

from gmcp_sandbox.calls.arguments import McpPrompt, McpRead
from gmcp_sandbox.calls.labels import TOOL
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.errors import ProfileError
from gmcp_sandbox.pipeline.trust import Trust
from gmcp_sandbox.policy.ceiling import bounded, parse_ceiling
from gmcp_sandbox.policy.excess import refuse_excess
from gmcp_sandbox.policy.fields import Source
from gmcp_sandbox.policy.mcp import Mcp, McpServer
from gmcp_sandbox.policy.mcpceiling import bounded_mcp
from gmcp_sandbox.policy.parse import parse_profile
from gmcp_sandbox.policy.state import SessionState
from tests.pipeline.samples import call
from tests.policy.test_mcpbuild import BASE, FILES, REMOTE

ABOVE = """
name = "house"
tier = "standard"

[[capabilities]]
tools = ["fs.read"]
labels = ["workspace"]
"""
VARIABLES = {"workspace": "/w", "home": "/h", "user": "u"}


def below(own, above):
    profile = parse_profile([Source("own.toml", BASE + own)], VARIABLES)
    return bounded(profile, parse_ceiling([Source("house.toml", ABOVE + above)], VARIABLES))


def answer(profile, tool, name, args):
    return Trust(profile).judge(call(tool, name, args, TOOL), SessionState(profile.tier)).reason


def test_without_the_section_nobody_has_a_server():
    profile = below(FILES, "")
    assert profile.mcp is None and profile.net is None
    assert bounded_mcp(None, Mcp(())) is None


def test_only_servers_that_both_describe_alike():
    profile = below(FILES + REMOTE, FILES)
    assert [server.name for server in profile.mcp.servers] == ["files"]
    assert profile.net.mcp and not profile.net.allow
    assert below(FILES, FILES.replace("--root", "--all")).mcp is None


def test_grants_are_asked_of_both():
    own = FILES.replace('tools = ["read_*"]', 'tools = ["*"]\nresources = ["*"]\nprompts = ["*"]')
    above = FILES.replace('tools = ["read_*"]', 'tools = ["read_*"]\nresources = ["file:///a*"]')
    profile = below(own, above)
    assert answer(profile, Tool.MCP_READ, "files/file:///ab", McpRead("files", "file:///ab")) == "trust.ok"
    assert answer(profile, Tool.MCP_READ, "files/file:///b", McpRead("files", "file:///b")) == "trust.ceiling"
    assert answer(profile, Tool.MCP_PROMPT, "files/p", McpPrompt("files", "{}")) == "trust.ceiling"


def test_the_stricter_of_both_holds():
    server = McpServer("a", tools=("x",), sampling=True, flows_to=("b", "c"), call_seconds=5.0, restarts=9)
    above = McpServer("a", tools=("x",), flows_to=("c",), call_seconds=9.0, restarts=1)
    found = bounded_mcp(Mcp((server,), redact="none", cross_flow="ask"), Mcp((above,), pin="approve"))
    assert (found.pin, found.redact, found.cross_flow) == ("approve", "hidden", "deny")
    (kept,) = found.servers
    assert (kept.sampling, kept.flows_to, kept.call_seconds, kept.restarts) == (False, ("c",), 5.0, 1)
    every = msgspec.structs.replace(server, flows_to=("*",))
    assert bounded_mcp(Mcp((every,)), Mcp((above,))).servers[0].flows_to == ("c",)
    assert bounded_mcp(Mcp((server,)), Mcp((every,))).servers[0].flows_to == ("b", "c")


def test_flows_of_the_ceiling_are_its_principles():
    profile = below(FILES + 'flows_to = ["remote"]\n' + REMOTE, FILES + REMOTE)
    assert [rule.id for rule in profile.rules] == [
        "ceiling.mcp-flow-to-files",
        "ceiling.mcp-flow-to-remote",
    ]


@pytest.mark.parametrize(
    ("own", "above", "what"),
    [
        (FILES, "", "an MCP server exceeds"),
        (REMOTE, FILES, "'remote' exceeds"),
        (FILES.replace("--root", "--all"), FILES, "another 'files' exceeds"),
    ],
)
def test_what_is_beyond_the_ceiling_is_said(own, above, what):
    ceiling = parse_ceiling([Source("house.toml", ABOVE + above)], VARIABLES)
    with pytest.raises(ProfileError, match=what):
        refuse_excess([(Source("own.toml", BASE + own), False)], VARIABLES, ceiling)
    fitting = parse_ceiling([Source("house.toml", ABOVE + FILES)], VARIABLES)
    refuse_excess([(Source("own.toml", BASE + FILES), False)], VARIABLES, fitting)
