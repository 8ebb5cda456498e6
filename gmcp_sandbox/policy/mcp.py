"""The `[mcp]` section of a profile, complete and checked: which servers the agent's MCP calls reach, and for what.

`policy/mcpbuild.py` makes it from TOML; `pipeline/servers.py` answers questions about it. What a server is not granted
is off: a server without `tools` has none, and resources, prompts, sampling, elicitation, roots, logging and completion
have a grant of their own each. No value of a credential ever stands here: a `${credential:NAME}` in an argument, a
variable, a header or the address names one, and `credentials` says where the operator keeps it.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Where = Literal["sandbox", "host"]
TierName = Literal["untrusted", "limited", "standard", "trusted"]
Pinning = Literal["first-use", "approve"]
Redaction = Literal["none", "hidden", "instructions"]
CrossFlow = Literal["deny", "ask"]
EVERY: Final = "*"
"""Of `flows_to`: every server."""


class ToolLimit(msgspec.Struct, frozen=True):
    """What holds for some tools of a server beside what holds for all of them.

    Attributes:
        tools: Globs over names of tools.
        tier: That a call demands; the highest of all that match counts. None: the server's.
        per_second: Calls of these tools together, in the long run; None: unbounded here.
        burst: Calls at once.
        call_seconds: Deadline of one call; the first that matches counts. None: the server's.
    """

    tools: tuple[str, ...]
    tier: TierName | None = None
    per_second: float | None = None
    burst: int = 1
    call_seconds: float | None = None


class McpServer(msgspec.Struct, frozen=True):
    """One server.

    Attributes:
        name: In the profile, and in the address that the agent uses.
        identity: Digest of what the profile says about it, variables left in: what is pinned is pinned for that.
        command: Program and arguments of a stdio server; empty for one with a URL.
        url: Of a streamable HTTP server.
        where: Whether a stdio server runs in a sandbox of its own.
        profile: Of that sandbox.
        workspace: Directory of the host that is the workspace of that sandbox; None: an empty one.
        env: Variables, (name, value).
        headers: Of requests to the URL, (name, value).
        credentials: (name, source), a source is `env:NAME` or `file:/path`.
        tools: Globs over names of tools that may be called; those are listed.
        tier: That every call demands.
        per_second: Calls of all tools together; None: unbounded here.
        burst: Of those, at once.
        limits: Per tool.
        resources: Globs over URIs that may be read.
        prompts: Globs over names of prompts that may be got.
        sampling: The server may ask the agent's model.
        elicitation: The server may ask the agent's user.
        roots: The server may learn the client's roots.
        logging: Its log messages are passed on.
        completion: Arguments of prompts and resources may be completed by it.
        flows_to: Servers that may get what came from this one; `*` for every.
        start_seconds: Longest wait for it to be ready.
        call_seconds: Deadline of one call.
        result_bytes: Longest result.
        message_bytes: Longest JSON-RPC message, either way.
        max_sessions: Client sessions of it at a time.
        restarts: How often it is started again in a session.
    """

    name: str
    identity: str = ""
    command: tuple[str, ...] = ()
    url: str | None = None
    where: Where = "sandbox"
    profile: str = "mcp-server"
    workspace: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    credentials: tuple[tuple[str, str], ...] = ()
    tools: tuple[str, ...] = ()
    tier: TierName = "limited"
    per_second: float | None = None
    burst: int = 1
    limits: tuple[ToolLimit, ...] = ()
    resources: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    sampling: bool = False
    elicitation: bool = False
    roots: bool = False
    logging: bool = False
    completion: bool = False
    flows_to: tuple[str, ...] = ()
    start_seconds: float = 30.0
    call_seconds: float = 120.0
    result_bytes: int = 1 << 20
    message_bytes: int = 4 << 20
    max_sessions: int = 8
    restarts: int = 3


class Mcp(msgspec.Struct, frozen=True):
    """All servers of a profile.

    Attributes:
        pin: `first-use`: a tool that nobody knows yet and that inspection finds nothing about is pinned as it is;
            `approve`: every tool waits for a person.
        redact: What is taken out of results: nothing, hidden characters, or texts with instructions as well.
        cross_flow: What happens when a server would get what came from another that does not flow to it.
    """

    servers: tuple[McpServer, ...]
    pin: Pinning = "first-use"
    redact: Redaction = "hidden"
    cross_flow: CrossFlow = "deny"

    def server(self, name: str) -> McpServer | None:
        """Return the server of a name."""
        return next((server for server in self.servers if server.name == name), None)
