"""The `[mcp]` section as a value."""

from __future__ import annotations

from gmcp_sandbox.policy.mcp import Mcp, McpServer


def test_a_server_is_found_by_its_name_and_grants_nothing_by_itself():
    server = McpServer("files", command=("serve",))
    assert Mcp((server,)).server("files") is server
    assert Mcp((server,)).server("mail") is None
    assert not (server.tools or server.resources or server.prompts or server.sampling or server.roots)
    assert server.where == "sandbox" and server.profile == "mcp-server"
