"""Calls that stand for many: one of every tool on one object, and objects that stand for what a profile names.

Guarantees: every call is well-formed. The sample is a function of the profiles alone; the same profiles give the same
calls in the same order. It shows differences, it cannot prove that there are none.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gmcp_sandbox.calls.arguments import (
    Arguments,
    DnsResolve,
    FsCreate,
    FsDelete,
    FsList,
    FsRead,
    FsRename,
    FsSetattr,
    FsStat,
    FsWrite,
    HttpRequest,
    McpCall,
    McpComplete,
    McpElicit,
    McpList,
    McpLog,
    McpPrompt,
    McpRead,
    McpRoots,
    McpSample,
    NetConnect,
    NetSend,
    ProcExec,
    TlsHello,
)
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import NETWORK, TOOL, Label
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.policy.addresses import parse_address
from gmcp_sandbox.policy.build import family_of
from gmcp_sandbox.policy.network import SERVICE_HOST, HostDenial, HostRule, Network
from gmcp_sandbox.policy.profile import Profile

AT_NS = 1_000_000_000
_SOME_HOSTS = ("example.com", "127.0.0.1", "169.254.169.254", "10.0.0.1")
_SOME_TOOLS = ("server/tool",)
_SOME_NAMES = (
    "file.txt",
    ".env",
    ".git/config",
    ".git/hooks/pre-commit",
    ".ssh/id_ed25519",
    "Makefile",
    "tests/test_a.py",
)
_CLASS = re.compile(r"\[!?(.)[^]]*\]")


class Place(NamedTuple):
    """A host, a port of it, and a request to it."""

    host: str
    port: int = 443
    method: str = "GET"
    path: str = "/"


def calls_on_path(path: str, label: Label) -> Iterator[ToolCall]:
    """Return one call of every tool whose object is a path."""
    whole: tuple[tuple[Tool, Arguments], ...] = (
        (Tool.FS_STAT, FsStat("getattr")),
        (Tool.FS_LIST, FsList("opendir")),
        (Tool.FS_READ, FsRead("open")),
        (Tool.FS_WRITE, FsWrite("open")),
        (Tool.FS_CREATE, FsCreate("file")),
        (Tool.FS_DELETE, FsDelete("file")),
        (Tool.FS_RENAME, FsRename(path)),
        (Tool.FS_SETATTR, FsSetattr("chmod", mode=0o644)),
        (Tool.PROC_EXEC, ProcExec()),
    )
    return (_call(tool, path, args, label) for tool, args in whole)


def start_of_program(path: str, argv: Sequence[str], label: Label) -> Iterator[ToolCall]:
    """Return the start of a program with these words."""
    yield _call(Tool.PROC_EXEC, path, ProcExec(tuple(argv)), label)


def calls_to_host(place: Place) -> Iterator[ToolCall]:
    """Return one call of every tool whose object is a host, and one for flows of no protocol that is understood."""
    host, port, method, path = place
    name = None if parse_address(host) is not None else host
    whole: tuple[tuple[Tool, Arguments], ...] = (
        (Tool.DNS_RESOLVE, DnsResolve("A")),
        (Tool.NET_CONNECT, NetConnect(port)),
        (Tool.NET_CONNECT, NetConnect(port, raw="unknown")),
        (Tool.NET_SEND, NetSend("udp", port)),
        (Tool.NET_SEND, NetSend("icmp")),
        (Tool.TLS_HELLO, TlsHello(name, port)),
        (Tool.HTTP_REQUEST, HttpRequest(method, path, port)),
    )
    return (_call(tool, host, args, NETWORK) for tool, args in whole)


def calls_of_mcp(name: str) -> Iterator[ToolCall]:
    """Return one call of every MCP tool."""
    server = name.partition("/")[0]
    resource = f"{server}/file:///a"
    whole: tuple[tuple[Tool, str, Arguments], ...] = (
        (Tool.MCP_CALL, name, McpCall(server, "{}")),
        (Tool.MCP_LIST, server, McpList(server, "tools")),
        (Tool.MCP_READ, resource, McpRead(server, "file:///a")),
        (Tool.MCP_PROMPT, name, McpPrompt(server, "{}")),
        (Tool.MCP_COMPLETE, server, McpComplete(server, "{}")),
        (Tool.MCP_SAMPLE, server, McpSample(server, "request", "{}")),
        (Tool.MCP_ELICIT, server, McpElicit(server, "request", "{}")),
        (Tool.MCP_ROOTS, server, McpRoots(server, "request")),
        (Tool.MCP_LOG, server, McpLog(server, "message", "{}")),
    )
    return (_call(tool, object, args, TOOL) for tool, object, args in whole)


def paths_of(profiles: Iterable[Profile], workspace: str) -> tuple[str, ...]:
    """Return paths that stand for the trees, labels, grants and principles of some profiles."""
    found: dict[str, None] = dict.fromkeys(f"{workspace}/{name}" for name in _SOME_NAMES)
    for profile in profiles:
        for mount in profile.mounts:
            found |= dict.fromkeys((mount.path, f"{mount.path}/file.txt"))
        patterns = [rule.pattern for rule in profile.path_rules]
        patterns += [glob for rule in profile.path_rules for glob in rule.unless]
        patterns += [
            glob for rule in profile.rules for glob in (*(rule.paths or ()), *_unless(rule.hosts, rule.unless))
        ]
        patterns += _objects(profile, "path")
        found |= dict.fromkeys(standing_for(pattern, workspace) for pattern in patterns)
    return tuple(found)


def places_of(profiles: Iterable[Profile]) -> tuple[Place, ...]:
    """Return hosts, ports and requests that stand for those that some profiles name."""
    found: dict[Place, None] = dict.fromkeys(Place(host) for host in _SOME_HOSTS)
    for profile in profiles:
        for rule in profile.rules:
            found |= dict.fromkeys(Place(_standing_host(host)) for host in rule.hosts or ())
        if profile.net is not None:
            found |= dict.fromkeys(_places_in(profile.net))
    return tuple(found)


def _places_in(network: Network) -> Iterator[Place]:
    rules: list[HostRule | HostDenial] = [*network.allow, *network.deny]
    usual = Place("")
    for rule in rules:
        ports = [low for low, _high in rule.ports or ()] or [usual.port]
        methods = rule.methods or [usual.method]
        paths = [standing_for(path, "") for path in rule.paths or ()] or [usual.path]
        for host, port, method, path in itertools.product(rule.hosts, ports, methods, paths):
            yield Place(_standing_host(host), port, method, path)
    yield from (Place(SERVICE_HOST, service.port) for service in network.services)


def _standing_host(pattern: str) -> str:
    """Return a host that a pattern is about: below a star a name that no other pattern is likely to name."""
    return "x.example" if pattern == "*" else pattern.replace("*", "x").partition("/")[0]


def mcp_of(profiles: Iterable[Profile]) -> tuple[str, ...]:
    """Return MCP tools that stand for those that some profiles name."""
    found: dict[str, None] = dict.fromkeys(_SOME_TOOLS)
    for profile in profiles:
        found |= dict.fromkeys(standing_for("/" + name.lstrip("/"), "")[1:] for name in _objects(profile, "mcp"))
    return tuple(found)


def commands_of(profiles: Iterable[Profile]) -> tuple[tuple[str, ...], ...]:
    """Return command lines that stand for those that some profiles name."""
    lines = [line for profile in profiles for rule in profile.rules for line in rule.argv or ()]
    return tuple(dict.fromkeys(tuple(line.replace("*", "").split()) for line in lines if line.replace("*", "").split()))


def standing_for(pattern: str, workspace: str) -> str:
    """Return a path that a glob matches, as far as that is easy to say."""
    text = _CLASS.sub(lambda found: found[1], pattern.removeprefix("**/").replace("/**/", "/")).replace("**", "x")
    text = re.sub(r"\\(.)", r"\1", re.sub(r"(?<!\\)[*?]", "x", text))
    return text if text.startswith("/") else f"{workspace}/{text}"


def _unless(hosts: tuple[str, ...] | None, unless: tuple[str, ...]) -> tuple[str, ...]:
    return () if hosts is not None else unless


def _objects(profile: Profile, family: str) -> list[str]:
    return [
        pattern
        for capability in profile.capabilities
        if any(family_of(tool) == family for tool in capability.tools)
        for pattern in capability.objects or ()
    ]


def _call(tool: Tool, object: str, args: Arguments, label: Label) -> ToolCall:
    return ToolCall(1, AT_NS, "sample", "sample", 0, tool, object, args, label)
