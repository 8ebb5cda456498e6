"""What `profile show` says of servers."""

from __future__ import annotations

from gmcp_sandbox.policy.mcp import Mcp, McpServer, ToolLimit
from gmcp_sandbox.policy.mcpdescribe import describe_mcp


def test_every_grant_is_a_line():
    server = McpServer(
        "files",
        command=("serve", "/srv"),
        where="host",
        tools=("read_*",),
        limits=(ToolLimit(("read_big",), tier="trusted", call_seconds=5.0),),
        resources=("file:///*",),
        sampling=True,
        credentials=(("token", "env:TOKEN"),),
        flows_to=("mail",),
    )
    assert describe_mcp(Mcp((server, McpServer("mail", url="https://example.com", prompts=("*",))), pin="approve")) == [
        "tools are approved one by one",
        "files: serve /srv, on the host",
        "  tools read_*, tier limited",
        "  of these read_big: tier trusted at most 5 s a call",
        "  resources file:///*",
        "  sampling",
        "  credential token from env:TOKEN",
        "  what it returns goes to mail",
        "mail: https://example.com",
        "  tools none, tier limited",
        "  prompts *",
        "  what it returns goes to no other server",
    ]
    assert describe_mcp(None) == ["none"]
