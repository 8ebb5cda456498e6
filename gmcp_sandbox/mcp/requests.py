"""Which tool call a message of the protocol is, and what of the message is passed on.

What is passed on is made anew from what was judged: members that nobody judged (`_meta`, extensions, a client's name
for itself) do not pass. A message that cannot be understood is a tool call with a fault, which the schema layer denies,
so that it stands in the record.

Guarantees: pure; any JSON object gives a `Wanted`, or None for a method that is none of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

import msgspec

from gmcp_sandbox.calls.arguments import (
    Arguments,
    McpCall,
    McpComplete,
    McpElicit,
    McpList,
    McpLog,
    McpPrompt,
    McpRead,
    McpRoots,
    McpSample,
)
from gmcp_sandbox.calls.canonical import CanonicalError, canonical
from gmcp_sandbox.calls.tools import Tool

Params = Mapping[str, Any]
NAME_CHARS = 512
TOKEN_CHARS = 64
UNREADABLE = "(unreadable)"
"""The name of a tool or prompt that cannot be told."""


class Wanted(msgspec.Struct, frozen=True):
    """One tool call, and what is passed on when it is allowed.

    Attributes:
        brings: The answer brings the session something that came from the server.
        params: What the server (or client) gets; None: nothing, the message has a fault.
    """

    tool: Tool
    object: str
    args: Arguments
    params: dict[str, Any] | None
    brings: bool = True


class _Misshapen(ValueError):
    """The message cannot be judged."""


def wanted(server: str, method: str, params: Params) -> Wanted | None:
    """Return what a client's request asks for; None for a method that is none of a client's."""
    make = _REQUESTS.get(method)
    if make is None:
        return None
    try:
        found = make(server, params)
        token = _progress_token(params)
    except (_Misshapen, CanonicalError) as fault:
        return _FAULTY[method](server, str(fault))
    if token is None or found.params is None:
        return found
    return msgspec.structs.replace(found, params={**found.params, "_meta": {"progressToken": token}})


def wanted_in_reverse(server: str, method: str, params: Params) -> Wanted | None:
    """Return what a server's request asks for; None for a method that is none of a server's."""
    make = _REVERSED.get(method)
    if make is None:
        return None
    kind, tool, keys = make
    try:
        given = _without(params, keys, method)
        return Wanted(tool, server, kind(server, "request", canonical(given)), given)
    except (_Misshapen, CanonicalError) as fault:
        return Wanted(tool, server, kind(server, "request", "{}", str(fault)), None)


def reply(server: str, method: str, result: Params) -> Wanted | None:
    """Return what it is to give a server the client's answer."""
    make = _REVERSED.get(method)
    if make is None:
        return None
    kind, tool, _keys = make
    given = {name: value for name, value in result.items() if name != "_meta"}
    try:
        return Wanted(tool, server, kind(server, "reply", canonical(given)), given, brings=False)
    except CanonicalError as fault:
        return Wanted(tool, server, kind(server, "reply", "{}", str(fault)), None, brings=False)


def logged(server: str, params: Params) -> Wanted:
    """Return what it is to take in a log message of a server."""
    given = {name: params[name] for name in ("level", "logger", "data") if name in params}
    try:
        return Wanted(Tool.MCP_LOG, server, McpLog(server, "message", canonical(given)), given)
    except CanonicalError as fault:
        return Wanted(Tool.MCP_LOG, server, McpLog(server, "message", "{}", str(fault)), None)


# -------------------------------------------------------------------------------------------------------- the client's


def _call(server: str, params: Params) -> Wanted:
    name = _name(params)
    given = _object(params, "arguments")
    args = McpCall(server, canonical(given))
    return Wanted(Tool.MCP_CALL, f"{server}/{name}", args, {"name": name, "arguments": given})


def _prompt(server: str, params: Params) -> Wanted:
    name = _name(params)
    given = _object(params, "arguments")
    args = McpPrompt(server, canonical(given))
    return Wanted(Tool.MCP_PROMPT, f"{server}/{name}", args, {"name": name, "arguments": given})


What = Literal["tools", "resources", "templates", "prompts"]
Op = Literal["read", "subscribe", "unsubscribe"]


def _listing(what: What) -> Callable[[str, Params], Wanted]:
    def make(server: str, params: Params) -> Wanted:
        cursor = params.get("cursor")
        if cursor is not None and not isinstance(cursor, str):
            raise _Misshapen("a cursor that is no text")
        given = {} if cursor is None else {"cursor": cursor}
        return Wanted(Tool.MCP_LIST, server, McpList(server, what), given, brings=what != "tools")

    return make


def _reading(op: Op) -> Callable[[str, Params], Wanted]:
    def make(server: str, params: Params) -> Wanted:
        uri = params.get("uri")
        if not isinstance(uri, str) or not uri:
            raise _Misshapen("no URI")
        args = McpRead(server, uri, op)
        return Wanted(Tool.MCP_READ, f"{server}/{uri}", args, {"uri": uri}, brings=op == "read")

    return make


def _complete(server: str, params: Params) -> Wanted:
    given = {name: _object(params, name) for name in ("ref", "argument", "context") if name in params}
    if set(given) < {"ref", "argument"}:
        raise _Misshapen("no reference, or no argument")
    return Wanted(Tool.MCP_COMPLETE, server, McpComplete(server, canonical(given)), given)


def _level(server: str, params: Params) -> Wanted:
    level = params.get("level")
    if level not in ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"):
        raise _Misshapen("no level of logging")
    given = {"level": level}
    return Wanted(Tool.MCP_LOG, server, McpLog(server, "level", canonical(given)), given, brings=False)


def _faulty_list(what: What) -> Callable[[str, str], Wanted]:
    return lambda server, fault: Wanted(Tool.MCP_LIST, server, McpList(server, what, fault), None)


def _faulty_read(op: Op) -> Callable[[str, str], Wanted]:
    return lambda server, fault: Wanted(
        Tool.MCP_READ, f"{server}/{UNREADABLE}", McpRead(server, UNREADABLE, op, fault), None
    )


_TABLE: dict[str, tuple[Callable[[str, Params], Wanted], Callable[[str, str], Wanted]]] = {
    "tools/call": (
        _call,
        lambda server, fault: Wanted(Tool.MCP_CALL, f"{server}/{UNREADABLE}", McpCall(server, "{}", fault), None),
    ),
    "prompts/get": (
        _prompt,
        lambda server, fault: Wanted(Tool.MCP_PROMPT, f"{server}/{UNREADABLE}", McpPrompt(server, "{}", fault), None),
    ),
    "tools/list": (_listing("tools"), _faulty_list("tools")),
    "resources/list": (_listing("resources"), _faulty_list("resources")),
    "resources/templates/list": (_listing("templates"), _faulty_list("templates")),
    "prompts/list": (_listing("prompts"), _faulty_list("prompts")),
    "resources/read": (_reading("read"), _faulty_read("read")),
    "resources/subscribe": (_reading("subscribe"), _faulty_read("subscribe")),
    "resources/unsubscribe": (_reading("unsubscribe"), _faulty_read("unsubscribe")),
    "completion/complete": (
        _complete,
        lambda server, fault: Wanted(Tool.MCP_COMPLETE, server, McpComplete(server, "{}", fault), None),
    ),
    "logging/setLevel": (
        _level,
        lambda server, fault: Wanted(Tool.MCP_LOG, server, McpLog(server, "level", "{}", fault), None),
    ),
}
_REQUESTS = {method: make for method, (make, _faulty) in _TABLE.items()}
_FAULTY = {method: faulty for method, (_make, faulty) in _TABLE.items()}
METHODS = tuple(_TABLE)
"""Requests of clients that are tool calls."""


# -------------------------------------------------------------------------------------------------------- the server's

_Staged = Callable[..., Arguments]
_REVERSED: dict[str, tuple[_Staged, Tool, frozenset[str]]] = {
    # Context of other servers is no server's business, and tools of its own make the client's model its hand.
    "sampling/createMessage": (
        cast("_Staged", McpSample),
        Tool.MCP_SAMPLE,
        frozenset({"_meta", "includeContext", "tools", "toolChoice", "task"}),
    ),
    "elicitation/create": (cast("_Staged", McpElicit), Tool.MCP_ELICIT, frozenset({"_meta", "task"})),
    "roots/list": (cast("_Staged", McpRoots), Tool.MCP_ROOTS, frozenset({"_meta"})),
}
REVERSED = tuple(_REVERSED)
"""Requests of servers that are tool calls."""


def _without(params: Params, keys: frozenset[str], method: str) -> dict[str, Any]:
    if method == "elicitation/create" and params.get("mode", "form") != "form":
        raise _Misshapen("asks the user to open an address")
    return {name: value for name, value in params.items() if name not in keys}


# ---------------------------------------------------------------------------------------------------------- the parts


def _name(params: Params) -> str:
    name = params.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= NAME_CHARS:
        raise _Misshapen("no name, or one that is too long")
    return name


def _object(params: Params, key: str) -> dict[str, Any]:
    value = params.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _Misshapen(f"{key} that are no object")
    return value


def _progress_token(params: Params) -> int | str | None:
    meta = params.get("_meta")
    token = meta.get("progressToken") if isinstance(meta, Mapping) else None
    if token is None or (type(token) is int and abs(token) < 1 << 53):
        return token
    if isinstance(token, str) and token.isascii() and 0 < len(token) <= TOKEN_CHARS:
        return token
    raise _Misshapen("a progress token of no usual form")
