"""Turn the `[mcp]` tables of profile files into one `Mcp`, and into the rates and rules that follow from it.

Guarantees: every server can be started and does something; no value of a credential stands in the profile; what a
server may pass on to another is a rule like any other. Every refusal is a `ProfileError` that names file, key and line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from blake3 import blake3

from gmcp_sandbox.calls.labels import server_taint
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.policy.build import Builder
from gmcp_sandbox.policy.credentialtext import (
    first_secret,
    has_opening,
    looks_secret,
    pieces_of,
    references_in,
    secret_word,
)
from gmcp_sandbox.policy.fields import Key, Source, suggest
from gmcp_sandbox.policy.mcp import EVERY, Mcp, McpServer, ToolLimit
from gmcp_sandbox.policy.mcptables import McpTable, ServerTable, ToolLimitTable
from gmcp_sandbox.policy.profile import RateLimit, Rule

_SINGLE = ("pin", "redact", "cross_flow")
_OF_A_COMMAND = ("args", "env", "where", "profile", "workspace")
_GRANTS = ("tools", "resources", "prompts", "sampling", "elicitation", "roots", "logging", "completion")
_OPTIONS = ("where", "profile", "tier", "burst", "start_seconds", "call_seconds", "max_sessions", "restarts")
_SIZES = ("result_bytes", "message_bytes")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}", re.ASCII)
_OURS = frozenset(
    {"accept", "connection", "content-length", "content-type", "host", "last-event-id", "te", "transfer-encoding"}
)
_ELSEWHERE = "keep it in a variable or file of yours: [mcp.servers.NAME.credentials], then ${credential:NAME} here"
_GETTING = (Tool.MCP_CALL, Tool.MCP_READ, Tool.MCP_PROMPT, Tool.MCP_COMPLETE, Tool.MCP_SAMPLE, Tool.MCP_ELICIT)
"""Calls by which a server learns something."""


class McpDraft:
    """What the files so far say about MCP servers."""

    def __init__(self) -> None:
        self.servers: dict[str, McpServer] = {}
        self._values: dict[str, Any] = {}
        self._is_there = False

    def parts(self) -> dict[str, Any]:
        """Return the lists that a file may drop, by their names in `replaces`."""
        return {"mcp.servers": self.servers}

    def join(self, builder: Builder, table: McpTable | None) -> None:
        """Add what one file says."""
        if table is None:
            return
        self._is_there = True
        self._values |= {name: value for name in _SINGLE if (value := getattr(table, name)) is not None}
        for name, server in (table.servers or {}).items():
            self.servers[name] = _server(builder, name, server)

    def finish(self, source: Source) -> Mcp | None:
        """Return the section, or None when no file has one.

        Raises:
            ProfileError: It names no server, or one that there is not.
        """
        if not self._is_there:
            return None
        if not self.servers:
            raise source.fault("`mcp.servers` is missing", ("mcp",), hint="name a server, or leave [mcp] out")
        for server in self.servers.values():
            for name in server.flows_to:
                if name != EVERY and (name not in self.servers or name == server.name):
                    key: Key = ("mcp", "servers", server.name, "flows_to")
                    raise source.fault(f"{name!r} is no other server", key, hint=suggest(name, self.servers))
        return Mcp(tuple(self.servers.values()), **self._values)


def server_rates(mcp: Mcp | None) -> list[RateLimit]:
    """Return the rates that the servers' own limits amount to."""
    found = []
    for server in () if mcp is None else mcp.servers:
        if server.per_second is not None:
            found.append(RateLimit((Tool.MCP_CALL,), server.per_second, server.burst, server=server.name))
        for limit in server.limits:
            if limit.per_second is not None:
                names = limit.tools
                found.append(
                    RateLimit((Tool.MCP_CALL,), limit.per_second, limit.burst, server=server.name, names=names)
                )
    return found


def flow_rules(mcp: Mcp | None) -> list[Rule]:
    """Return one rule for each server that does not get what came from some other."""
    found: list[Rule] = []
    if mcp is None:
        return found
    for server in mcp.servers:
        barred = tuple(server_taint(other.name) for other in mcp.servers if not _flows(other, server))
        if barred:
            text = (
                f"What came from another MCP server does not go to {server.name}, unless that one's flows_to says so."
            )
            args = (("server", server.name),)
            rule_id = f"mcp-flow-to-{server.name}"
            found.append(Rule(rule_id, text, mcp.cross_flow, tools=_GETTING, taint=barred, args=args))
    return found


def _flows(origin: McpServer, target: McpServer) -> bool:
    return origin.name == target.name or target.name in origin.flows_to or EVERY in origin.flows_to


def _server(builder: Builder, name: str, table: ServerTable) -> McpServer:
    key: Key = ("mcp", "servers", name)
    _check_kind(builder, table, key)
    _check_credentials(builder, table, key)
    given: dict[str, Any] = {each: value for each in _OPTIONS if (value := getattr(table, each)) is not None}
    given |= {each: size for each in _SIZES if (size := builder.size(getattr(table, each), (*key, each))) is not None}
    if not any(getattr(table, grant) for grant in _GRANTS):
        raise builder.fault("nothing is granted", (*key, "tools"), hint='name `tools`, for example tools = ["read_*"]')
    for each in ("tools", "resources", "prompts", "flows_to"):
        builder.refuse_duplicates(getattr(table, each) or (), (*key, each))
    words = [] if table.command is None else [table.command, *table.args]
    return McpServer(
        name=name,
        identity=_identity(name, table),
        command=tuple(_expanded(builder, word, (*key, "args" if at else "command")) for at, word in enumerate(words)),
        url=None if table.url is None else _url(builder, table, (*key, "url")),
        workspace=None if table.workspace is None else builder.path(table.workspace, (*key, "workspace")),
        env=_pairs(builder, table.env, (*key, "env")),
        headers=_pairs(builder, table.headers, (*key, "headers")),
        credentials=tuple((each, builder.expand(source, key)) for each, source in table.credentials.items()),
        tools=table.tools or (),
        per_second=_per_second(builder, table, key),
        limits=tuple(_limit(builder, each, (*key, "limits", at)) for at, each in enumerate(table.limits or ())),
        resources=table.resources or (),
        prompts=table.prompts or (),
        flows_to=table.flows_to or (),
        **{grant: getattr(table, grant) for grant in _GRANTS[3:]},
        **given,
    )


def _check_kind(builder: Builder, table: ServerTable, key: Key) -> None:
    """Refuse a server that is both, neither, or has what belongs to the other kind."""
    if (table.command is None) == (table.url is None):
        what = "a server has a `command` or a `url`, not both" if table.url else "`command` (or `url`) is missing"
        raise builder.fault(what, (*key, "command"))
    wrong = [each for each in _OF_A_COMMAND if getattr(table, each)] if table.url else []
    if table.command and table.headers:
        wrong.append("headers")
    if table.where == "host":
        wrong += [each for each in ("profile", "workspace") if getattr(table, each)]
    if wrong:
        kind = (
            "with a `url`" if table.url else 'on the host (`where = "host"`)' if table.where == "host" else "a command"
        )
        raise builder.fault(f"`{wrong[0]}` is nothing that a server {kind} has", (*key, wrong[0]))
    if "\0" in "".join((table.command or "", *table.args)):
        raise builder.fault("an argument cannot hold NUL", (*key, "args"))


def _check_credentials(builder: Builder, table: ServerTable, key: Key) -> None:
    """Refuse values of credentials, and references that lead nowhere or are missing."""
    texts = (*table.env.values(), *table.headers.values(), *table.args, table.url or "")
    used = {name for text in texts for name in references_in(text)}
    for name in sorted(used - table.credentials.keys()):
        hint = suggest(name, table.credentials) if table.credentials else f'{name} = "env:…" or "file:/…"'
        raise builder.fault(f"`credentials.{name}` is missing", (*key, "credentials"), hint=hint)
    for part, values in (("env", table.env), ("headers", table.headers)):
        telling = first_secret(values.items())
        if telling is not None:
            what = "a credential does not belong into a profile"
            raise builder.fault(what, (*key, part, telling), hint=_ELSEWHERE)
    for part, is_secret in (
        ("args", secret_word(table.args) is not None),
        ("url", looks_secret("", table.url or "")),
    ):
        if is_secret:
            raise builder.fault("a credential does not belong into a profile", (*key, part), hint=_ELSEWHERE)
    for name in sorted(table.credentials.keys() - used):
        hint = f"write ${{credential:{name}}} where it belongs: env, headers, args or url"
        raise builder.fault(f"the credential {name!r} is used nowhere", (*key, "credentials", name), hint=hint)


def _url(builder: Builder, table: ServerTable, key: Key) -> str:
    url = _expanded(builder, table.url or "", key)
    try:
        parts = urlsplit(url)
        is_known = parts.scheme in ("https", "http") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_known = False
    if not is_known or not url.isascii() or not url.isprintable() or " " in url or "#" in url:
        raise builder.fault("no URL that can be used", key, hint='for example "https://mcp.example.com/mcp"')
    if parts.username is not None or references_in(parts.netloc):
        raise builder.fault("a credential does not belong into the host part of a URL", key, hint="use `headers`")
    if parts.scheme == "http" and table.credentials and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise builder.fault("a credential would travel in the clear", key, hint="use https")
    return url


def _pairs(builder: Builder, values: Mapping[str, str], key: Key) -> tuple[tuple[str, str], ...]:
    is_header = key[-1] == "headers"
    for name, value in values.items():
        form = _HEADER if is_header else _VARIABLE
        if not form.fullmatch(name) or any(char in value for char in ("\0\r\n" if is_header else "\0")):
            raise builder.fault("not a possible header" if is_header else "not a possible variable", (*key, name))
        if is_header and (name.lower() in _OURS or name.lower().startswith("mcp-")):
            raise builder.fault("the gateway sets this header itself", (*key, name))
    if is_header:
        builder.refuse_duplicates((name.lower() for name in values), key)
    return tuple((name, _expanded(builder, value, (*key, name))) for name, value in values.items())


def _expanded(builder: Builder, text: str, key: Key) -> str:
    """Put the variables in and leave references to credentials as they are."""
    pieces = [builder.expand(piece, key) for piece in pieces_of(text)]
    if any(map(has_opening, pieces)):
        raise builder.fault("no name of a credential", key, hint="lower-case letters, digits, `-` and `_`")
    names = iter(references_in(text))
    return pieces[0] + "".join(f"${{credential:{next(names)}}}{piece}" for piece in pieces[1:])


def _per_second(builder: Builder, table: ServerTable | ToolLimitTable, key: Key) -> float | None:
    if table.burst is not None and table.per_second is None:
        raise builder.fault("`burst` needs `per_second`", (*key, "burst"))
    return table.per_second


def _limit(builder: Builder, table: ToolLimitTable, key: Key) -> ToolLimit:
    builder.refuse_duplicates(table.tools, (*key, "tools"))
    if table.tier is None and table.per_second is None and table.call_seconds is None:
        raise builder.fault("limits nothing", key, hint="set `tier`, `per_second` or `call_seconds`")
    rate = _per_second(builder, table, key)
    return ToolLimit(table.tools, table.tier, rate, table.burst or 1, table.call_seconds)


def _identity(name: str, table: ServerTable) -> str:
    """Return the digest of what is said about who the server is; variables and references stay as they are."""
    fields: Iterable[str] = ("command", "args", "url", "env", "headers", "credentials", "where", "profile", "workspace")
    said = {"name": name, **{field: msgspec.to_builtins(getattr(table, field)) for field in fields}}
    return blake3(json.dumps(said, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()
