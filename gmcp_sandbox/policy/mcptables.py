"""The TOML form of `[mcp]`: what may stand in it; `policy/mcpbuild.py` says what makes sense."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gmcp_sandbox.policy.mcp import CrossFlow, Pinning, Redaction, TierName, Where
from gmcp_sandbox.policy.tables import Count, Name, Size, Table, Text, Words

Seconds = Annotated[float, Meta(gt=0)]
Names = Annotated[tuple[str, ...], Meta(min_length=1, description="Names of tools; `*` stands for any characters.")]
Source = Annotated[
    str, Meta(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$", description="`env:NAME` or `file:/path`.")
]
Values = Annotated[
    dict[str, str],
    Meta(description="Values; `${credential:NAME}` stands for a credential, which must not be written here itself."),
]


class ToolLimitTable(Table, frozen=True):
    """What holds for some tools beside what holds for all of the server's."""

    tools: Names
    tier: Annotated[TierName | None, Meta(description="That a call demands.")] = None
    per_second: Annotated[Seconds | None, Meta(description="Calls of these tools together.")] = None
    burst: Annotated[Count | None, Meta(description="Calls at once; 1 when absent.")] = None
    call_seconds: Annotated[Seconds | None, Meta(description="Deadline of one call.")] = None


class ServerTable(Table, frozen=True):
    """One MCP server: a command (stdio) or a URL (streamable HTTP). What is not granted here is off."""

    command: Annotated[Text | None, Meta(description="Program of a stdio server.")] = None
    args: Annotated[tuple[str, ...], Meta(description="Its arguments.")] = ()
    url: Annotated[Text | None, Meta(description="Of a streamable HTTP server.")] = None
    where: Annotated[Where | None, Meta(description="A sandbox of its own (when absent), or the host.")] = None
    profile: Annotated[Text | None, Meta(description="Of its sandbox; `mcp-server` when absent.")] = None
    workspace: Annotated[Text | None, Meta(description="Directory that its sandbox shows as its workspace.")] = None
    env: Values = msgspec.field(default_factory=dict)
    headers: Values = msgspec.field(default_factory=dict)
    credentials: Annotated[
        dict[Name, Source], Meta(description="Where the operator keeps them; the agent sees none of them.")
    ] = msgspec.field(default_factory=dict)
    tools: Annotated[Names | None, Meta(description="Tools that may be called; none when absent.")] = None
    tier: Annotated[TierName | None, Meta(description="That every call demands; limited when absent.")] = None
    per_second: Annotated[Seconds | None, Meta(description="Calls of all tools together.")] = None
    burst: Annotated[Count | None, Meta(description="Calls at once; 1 when absent.")] = None
    limits: Annotated[tuple[ToolLimitTable, ...], Meta(min_length=1)] | None = None
    resources: Annotated[Words | None, Meta(description="URIs that may be read; `*`: any characters.")] = None
    prompts: Annotated[Words | None, Meta(description="Prompts that may be got; `*`: any characters.")] = None
    sampling: Annotated[bool, Meta(description="It may ask the agent's model.")] = False
    elicitation: Annotated[bool, Meta(description="It may ask the agent's user.")] = False
    roots: Annotated[bool, Meta(description="It may learn the client's roots.")] = False
    logging: Annotated[bool, Meta(description="Its log messages are passed on.")] = False
    completion: Annotated[bool, Meta(description="It may complete arguments.")] = False
    flows_to: Annotated[Words | None, Meta(description="Servers that may get what came from this one; `*`: every.")] = (
        None
    )
    start_seconds: Seconds | None = None
    call_seconds: Seconds | None = None
    result_bytes: Annotated[Size | None, Meta(description="Longest result; 1 MiB when absent.")] = None
    message_bytes: Annotated[Size | None, Meta(description="Longest message, either way; 4 MiB when absent.")] = None
    max_sessions: Annotated[int, Meta(ge=1, le=256)] | None = None
    restarts: Annotated[int, Meta(ge=0, le=100)] | None = None


class McpTable(Table, frozen=True):
    """The agent's MCP servers. Without the section it reaches none."""

    servers: Annotated[
        dict[Name, ServerTable] | None, Meta(description="By name; one replaces an inherited one of the same name.")
    ] = None
    pin: Annotated[
        Pinning | None,
        Meta(
            description="first-use: a tool about which inspection finds nothing is pinned when it is first seen; "
            "approve: each waits for `gmcp-sandbox mcp approve`."
        ),
    ] = None
    redact: Annotated[
        Redaction | None, Meta(description="What is taken out of results: hidden characters when absent.")
    ] = None
    cross_flow: Annotated[
        CrossFlow | None, Meta(description="When a server would get what came from another; deny when absent.")
    ] = None


MCP_REPLACEABLE = ("mcp.servers",)
