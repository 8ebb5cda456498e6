"""What trust says about MCP: the `[mcp]` section judges every call whose object is a server, or something of one.

Default is deny: a server, tool, resource or prompt that no grant names is out of reach, and so is every other thing
that a server can be asked, or can ask for. A tool must be known as it is pinned, and not be stopped. The tier is that
of the server, or the highest of the limits that name the tool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from gmcp_sandbox.calls.arguments import McpList, McpRead
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import TOOL
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Layer, Verdict
from gmcp_sandbox.pipeline.layer import allow, deny
from gmcp_sandbox.policy.mcp import Mcp, McpServer
from gmcp_sandbox.policy.profile import Tier
from gmcp_sandbox.policy.state import SessionState
from gmcp_sandbox.policy.wildcards import compile_wildcards


def _deny(word: str, detail: str = "") -> Verdict:
    return deny(Layer.TRUST, word, detail)


_ALLOW = allow(Layer.TRUST)
_NO_MCP = _deny("no_mcp", "the profile has no [mcp]")
_NO_SERVER = _deny("no_server", "no [mcp.servers] has this name")
_NO_TOOL = _deny("no_tool", "the server's `tools` do not name it")
_UNKNOWN = _deny("unknown_tool", "the server did not list it")
_LABEL = _deny("no_capability", "not an object of an MCP server")


class Servers:
    """Judge by server."""

    def __init__(self, mcp: Mcp | None, tier: Tier) -> None:
        self._tier = tier
        self._grants = None if mcp is None else {server.name: _Grants(server) for server in mcp.servers}
        self._too_low = {each: _deny("tier", f"demands {each.name.lower()}") for each in Tier}

    def judge(self, call: ToolCall, state: SessionState) -> Verdict:
        """Allow what a server's grants name and the tier reaches."""
        if self._grants is None:
            return _NO_MCP
        if call.label != TOOL:
            return _LABEL
        server, _, name = call.object.partition("/")
        grants = self._grants.get(server)
        if grants is None:
            return _NO_SERVER
        against = grants.against(call)
        if against is not None:
            return against
        tier = grants.tier_of(name) if call.tool is Tool.MCP_CALL else grants.tier
        if tier > state.tier or tier > self._tier:
            return self._too_low[tier]
        return _standing(server, name, state) if call.tool is Tool.MCP_CALL else _ALLOW


def _standing(server: str, name: str, state: SessionState) -> Verdict:
    known = state.tools.find(server, name)
    if known is None:
        return _UNKNOWN
    if known.stopped or known.check is None:
        why = ", ".join(known.stopped) or "its schema cannot be used"
        return _deny("not_approved", f"{why}; gmcp-sandbox mcp approve {server} {name}"[:512])
    return _ALLOW


class _Grants:
    """What one server is granted, compiled."""

    def __init__(self, server: McpServer) -> None:
        self.tier = Tier[server.tier.upper()]
        self._tools = compile_wildcards(server.tools)
        self._resources = compile_wildcards(server.resources)
        self._prompts = compile_wildcards(server.prompts)
        self._limits = [
            (compile_wildcards(limit.tools), Tier[limit.tier.upper()]) for limit in server.limits if limit.tier
        ]
        self._off = {
            tool: _deny("not_granted", f"`{word} = true` is missing")
            for tool, word in (
                (Tool.MCP_COMPLETE, "completion"),
                (Tool.MCP_SAMPLE, "sampling"),
                (Tool.MCP_ELICIT, "elicitation"),
                (Tool.MCP_ROOTS, "roots"),
                (Tool.MCP_LOG, "logging"),
            )
            if not getattr(server, word)
        }
        self._listed = {
            "tools": bool(server.tools),
            "resources": bool(server.resources),
            "templates": bool(server.resources),
            "prompts": bool(server.prompts),
        }
        self._judges: dict[Tool, Callable[[ToolCall], Verdict | None]] = {
            Tool.MCP_CALL: lambda call: None if self._tools(call.object.partition("/")[2]) else _NO_TOOL,
            Tool.MCP_READ: self._read,
            Tool.MCP_PROMPT: self._prompt,
            Tool.MCP_LIST: self._list,
        }

    def tier_of(self, tool: str) -> Tier:
        """Return the tier that a call of a tool demands."""
        return max([tier for matches, tier in self._limits if matches(tool)], default=self.tier)

    def against(self, call: ToolCall) -> Verdict | None:
        """Return the denial of what is not granted, or None."""
        judge = self._judges.get(call.tool)
        return self._off.get(call.tool) if judge is None else judge(call)

    def _read(self, call: ToolCall) -> Verdict | None:
        granted = self._resources(cast("McpRead", call.args).uri)
        return None if granted else _deny("no_resource", "the server's `resources` do not name it")

    def _prompt(self, call: ToolCall) -> Verdict | None:
        granted = self._prompts(call.object.partition("/")[2])
        return None if granted else _deny("no_prompt", "the server's `prompts` do not name it")

    def _list(self, call: ToolCall) -> Verdict | None:
        what = cast("McpList", call.args).what
        if self._listed.get(what, False):
            return None
        return _deny("not_granted", f"no {'resources' if what == 'templates' else what} are granted")
