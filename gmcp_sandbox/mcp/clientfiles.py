"""The configuration files in which MCP clients name their servers, read as values.

They differ in the name of the table (`mcpServers`, `servers`, `context_servers`, `mcp`, `mcp_servers`), in how a
command and an address are spelled, and in what else stands beside them; some have comments. What is not understood is
said, not guessed.

Guarantees: pure; any text gives servers and remarks, or a `ClientFileError`; no value is evaluated.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gmcp_sandbox.calls.canonical import CanonicalError, check_size, parse

LONGEST = 4 << 20
_TABLES = ("mcpServers", "servers", "context_servers", "mcp_servers")
_URLS = ("url", "httpUrl", "serverUrl", "uri", "endpoint")
_ENVIRONMENTS = ("env", "environment", "envs")
_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])', re.DOTALL)


class ClientFileError(ValueError):
    """The file names no servers, or cannot be read."""


class Entry(msgspec.Struct, frozen=True):
    """One server as a client's file describes it.

    Attributes:
        remarks: What of it is not taken over, in words.
        skipped: Why it is not taken over at all; empty when it is.
    """

    name: str
    command: tuple[str, ...] = ()
    url: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    directory: str | None = None
    tools: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    skipped: str = ""


def read_client_file(text: str, *, is_toml: bool = False) -> list[Entry]:
    """Return the servers of a client's file, in its order.

    Raises:
        ClientFileError: It cannot be read, or names none.
    """
    if len(text) > LONGEST:
        raise ClientFileError(f"longer than {LONGEST} characters")
    data = _toml(text) if is_toml else _json(text)
    found = [_entry(str(name), server) for table in _tables(data) for name, server in table.items()]
    if not found:
        raise ClientFileError(f"no table of servers in it: none of {', '.join(_TABLES)}")
    return found


def _toml(text: str) -> object:
    try:
        data = tomllib.loads(text)
        check_size(data)
    except (ValueError, RecursionError) as error:
        raise ClientFileError(f"not valid TOML: {str(error)[:200]}") from None
    return data


def _json(text: str) -> object:
    try:
        return parse(text.removeprefix("\ufeff"))
    except CanonicalError as first:
        bare = _TRAILING.sub(_kept_text, _COMMENT.sub(_kept_text, text.removeprefix("\ufeff")))
        try:
            return parse(bare)
        except CanonicalError:
            raise ClientFileError(str(first)) from None


def _kept_text(found: re.Match[str]) -> str:
    """Return a string as it is, and a blank for a comment or a comma before a bracket."""
    return found[0] if found[0].startswith('"') else " "


def _tables(data: object) -> Iterator[Mapping[str, Any]]:
    """Yield the tables of servers: of the file, of its section `mcp`, and of each project that it lists."""
    if not isinstance(data, Mapping):
        return
    for name in _TABLES:
        if isinstance(data.get(name), Mapping):
            yield data[name]
    section = data.get("mcp")
    if isinstance(section, Mapping):
        inner = [section[name] for name in _TABLES if isinstance(section.get(name), Mapping)]
        yield from inner or [{name: each for name, each in section.items() if isinstance(each, Mapping)}]
    projects = data.get("projects")
    for project in projects.values() if isinstance(projects, Mapping) else ():
        if isinstance(project, Mapping) and isinstance(project.get("mcpServers"), Mapping):
            yield project["mcpServers"]


def _entry(name: str, server: object) -> Entry:
    if not isinstance(server, Mapping):
        return Entry(name, skipped="it is no table")
    if server.get("disabled") is True or server.get("enabled") is False:
        return Entry(name, skipped="it is switched off")
    kind = str(server.get("type", server.get("transport", ""))).lower()
    url = next((server[key] for key in _URLS if isinstance(server.get(key), str) and server[key]), None)
    if url is not None and (kind == "sse" or (not kind and url.rstrip("/").endswith("/sse"))):
        return Entry(name, skipped="the old SSE transport is not supported; use the server's streamable HTTP address")
    command = _command(server)
    if not command and url is None:
        return Entry(name, skipped="it has neither a command nor an address")
    if command and not all(command):
        return Entry(name, skipped="its command has an empty word first")
    tools = server.get("includeTools", ())
    directory = server.get("cwd")
    return Entry(
        name,
        command=command if url is None else (),
        url=url if url is not None else None,
        env=_pairs(server, _ENVIRONMENTS) if url is None else (),
        headers=_pairs(server, ("headers", "requestInit")) if url is not None else (),
        directory=directory if isinstance(directory, str) and directory else None,
        tools=tuple(str(tool) for tool in tools) if isinstance(tools, list) else (),
        remarks=tuple(_remarks(server)),
    )


def _command(server: Mapping[str, Any]) -> tuple[str, ...]:
    command, args = server.get("command"), server.get("args", [])
    if isinstance(command, Mapping):
        command, args = command.get("path", command.get("command")), command.get("args", [])
    words = [command] if isinstance(command, str) else command
    if not isinstance(words, list) or not isinstance(args, list) or not words:
        return ()
    return tuple(str(word) for word in (*words, *args))


def _pairs(server: Mapping[str, Any], names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    command = server.get("command")
    places = [server, command] if isinstance(command, Mapping) else [server]
    for place in places:
        for name in names:
            given = place.get(name)
            given = given.get("headers") if name == "requestInit" and isinstance(given, Mapping) else given
            if isinstance(given, Mapping):
                return tuple((str(key), _word(value)) for key, value in given.items())
    return ()


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _remarks(server: Mapping[str, Any]) -> Iterator[str]:
    if server.get("envFile"):
        yield "its file of variables is not read: name them under credentials or env"
    if any(server.get(key) for key in ("autoApprove", "alwaysAllow", "trust")):
        yield "what the client approved by itself is approved by nobody here"
    if server.get("excludeTools"):
        yield "tools that the client leaves out: name those that may be called in `tools`"
    if any(server.get(key) for key in ("oauth", "auth", "authProviderType")):
        yield "signing in is not supported: put a token into a credential"
