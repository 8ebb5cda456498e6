"""The tools: every kind of effect that an agent can ask for, by name.

A tool is what a profile grants, a rule selects and a record names. `ARGUMENTS` in `arguments.py` gives the
typed arguments of each; `mediation.py` says which kernel request raises which.
"""

from __future__ import annotations

import enum


class Tool(enum.StrEnum):
    """One kind of effect."""

    FS_STAT = "fs.stat"
    FS_LIST = "fs.list"
    FS_READ = "fs.read"
    FS_WRITE = "fs.write"
    FS_CREATE = "fs.create"
    FS_DELETE = "fs.delete"
    FS_RENAME = "fs.rename"
    FS_SETATTR = "fs.setattr"
    PROC_EXEC = "proc.exec"
    DNS_RESOLVE = "dns.resolve"
    NET_CONNECT = "net.connect"
    NET_SEND = "net.send"
    TLS_HELLO = "tls.hello"
    HTTP_REQUEST = "http.request"
    MCP_CALL = "mcp.call"
    MCP_LIST = "mcp.list"
    MCP_READ = "mcp.read"
    MCP_PROMPT = "mcp.prompt"
    MCP_COMPLETE = "mcp.complete"
    MCP_SAMPLE = "mcp.sample"
    MCP_ELICIT = "mcp.elicit"
    MCP_ROOTS = "mcp.roots"
    MCP_LOG = "mcp.log"


NETWORK_TOOLS = frozenset({Tool.DNS_RESOLVE, Tool.NET_CONNECT, Tool.NET_SEND, Tool.TLS_HELLO, Tool.HTTP_REQUEST})
"""Those whose object is a host."""
MCP_TOOLS = frozenset(tool for tool in Tool if tool.startswith("mcp."))
"""Those whose object is an MCP server, or something of one."""
