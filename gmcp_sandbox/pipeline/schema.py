"""Layer 1: the call is well-formed.

Guarantees to the layers behind it: the arguments have the tool's type and lie in their bounds; paths are absolute and
normal (no empty, `.` or `..` component, no NUL, at most 4,096 bytes), hosts are lower-case names or literal addresses,
JSON arguments are JSON objects in canonical form, of a depth and size that others can walk, and those of an MCP tool
that is known fit its own schema. Names that are not UTF-8 arrive with surrogate escapes and are well-formed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import cast

from gmcp_sandbox.calls.arguments import (
    ARGUMENTS,
    Arguments,
    FsCreate,
    FsRename,
    FsSetattr,
    FsStat,
    HttpRequest,
    McpCall,
    McpRead,
    NetConnect,
    NetSend,
    ProcExec,
    TlsHello,
)
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.canonical import CanonicalError, arguments_of, canonical
from gmcp_sandbox.calls.tools import MCP_TOOLS, Tool
from gmcp_sandbox.calls.verdicts import Layer, Verdict
from gmcp_sandbox.pipeline.layer import allow, deny
from gmcp_sandbox.policy.state import SessionState

PATH_BYTES = 4096
HOST_CHARS = 253
ARGV_CHARS = 4 << 20
"""Twice what Linux lets execve take by default (a quarter of the 8 MiB stack limit)."""
JSON_CHARS = 4 << 20
URI_CHARS = 64 << 10
ALPN_NAMES = 64

_SURE_CHARS = PATH_BYTES // 4
"""A str of so many characters has at most PATH_BYTES bytes."""

_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*", re.ASCII)
_ADDRESS6 = re.compile(r"[0-9a-f:]{2,39}(?:\.[0-9]{1,3}){0,3}", re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}", re.ASCII)  # RFC 9110, 5.6.2
_DIGEST = re.compile(r"[0-9a-f]{40}", re.ASCII)
_SERVER = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
NAME_CHARS = 512
"""Of an MCP tool or prompt."""
_QTYPE = re.compile(r"[A-Z0-9-]{1,16}", re.ASCII)


def is_path(path: str) -> bool:
    """True for an absolute normal path that fits into a kernel request."""
    return (
        path.startswith("/")
        and ("/." not in path or _has_no_dots(path))
        and "//" not in path
        and (path[-1] != "/" or path == "/")
        and "\0" not in path
        and (len(path) <= _SURE_CHARS or _encoded_length(path) <= PATH_BYTES)
    )


def _has_no_dots(path: str) -> bool:
    return "/./" not in path and "/../" not in path and not path.endswith(("/.", "/.."))


def _encoded_length(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def is_host(host: str) -> bool:
    """True for a lower-case name, or a literal address."""
    return 0 < len(host) <= HOST_CHARS and (_HOST.fullmatch(host) is not None or _ADDRESS6.fullmatch(host) is not None)


def _is_port(port: int | None) -> bool:
    return type(port) is int and 0 < port < 65536


def _is_mode(mode: int | None) -> bool:
    return mode is None or (type(mode) is int and 0 <= mode <= 0o7777)


def _is_id(number: int | None) -> bool:
    return number is None or (type(number) is int and 0 <= number < 1 << 32)


def _is_text(text: str | None, limit: int) -> bool:
    return text is not None and "\0" not in text and len(text) <= limit


def _is_json_object(text: str) -> bool:
    if len(text) > JSON_CHARS:
        return False
    try:
        return canonical(arguments_of(text)) == text
    except CanonicalError:
        return False


# Each check below returns True when the arguments lie in their bounds. The tables say which tool they belong to.


def _op(*allowed: str) -> Callable[[Arguments], bool]:
    known = frozenset(allowed)

    def is_known(args: Arguments) -> bool:
        return args.op in known  # type: ignore[attr-defined] # the tool's own type was checked before

    return is_known


def _stat(args: Arguments) -> bool:
    asked = cast("FsStat", args)
    return asked.op in _STAT_OPS and (asked.xattr is None or _is_text(asked.xattr, 255))


_STAT_OPS = frozenset({"lookup", "getattr", "access", "readlink", "getxattr", "listxattr"})


def _create(args: Arguments) -> bool:
    made = cast("FsCreate", args)
    if made.kind == "hardlink":
        target_fits = made.target is not None and is_path(made.target)
    elif made.kind == "symlink":
        target_fits = _is_text(made.target, PATH_BYTES)
    else:
        target_fits = made.target is None and made.kind in ("file", "dir", "fifo", "socket")
    return target_fits and _is_mode(made.mode)


def _delete(args: Arguments) -> bool:
    return args.kind in ("file", "dir")  # type: ignore[attr-defined]


def _rename(args: Arguments) -> bool:
    return is_path(cast("FsRename", args).target)


def _setattr(args: Arguments) -> bool:
    change = cast("FsSetattr", args)
    if change.op not in ("chmod", "chown", "utimes", "setxattr", "removexattr"):
        return False
    return (
        _is_mode(change.mode)
        and _is_id(change.uid)
        and _is_id(change.gid)
        and (change.xattr is None or _is_text(change.xattr, 255))
    )


def _exec(args: Arguments) -> bool:
    run = cast("ProcExec", args)
    if run.cwd is not None and not is_path(run.cwd):
        return False
    if not (_is_digest(run.digest) and _is_short(run.interprets, PATH_BYTES) and _is_short(run.fault, 64)):
        return False
    if run.argv is None:
        return True
    if type(run.argv) is not tuple or sum(map(len, run.argv)) + len(run.argv) > ARGV_CHARS:
        return False
    return not any("\0" in word for word in run.argv)


def _is_short(text: str | None, limit: int) -> bool:
    return text is None or _is_text(text, limit)


def _is_digest(digest: str | None) -> bool:
    return digest is None or _DIGEST.fullmatch(digest) is not None


def _resolve(args: Arguments) -> bool:
    return _QTYPE.fullmatch(args.qtype) is not None  # type: ignore[attr-defined]


def _connect(args: Arguments) -> bool:
    to = cast("NetConnect", args)
    return _is_port(to.port) and (to.address is None or is_host(to.address)) and to.raw in _RAW


_RAW = frozenset({None, "unknown", "server_first", "silent", "upgrade", "connect", "http2"})


def _send(args: Arguments) -> bool:
    to = cast("NetSend", args)
    kind = str(to.protocol)
    if kind == "udp":
        return _is_port(to.port)
    return to.port is None and (kind == "icmp" or (kind == "other" and to.fault is not None))


def _hello(args: Arguments) -> bool:
    hello = cast("TlsHello", args)
    return (
        _is_port(hello.port)
        and (hello.server_name is None or is_host(hello.server_name))
        and len(hello.alpn) <= ALPN_NAMES
        and all(0 < len(name) <= 255 and _is_text(name, 255) for name in hello.alpn)
    )


def _http(args: Arguments) -> bool:
    request = cast("HttpRequest", args)
    return (
        _TOKEN.fullmatch(request.method) is not None
        and _is_text(request.path, URI_CHARS)
        and _is_port(request.port)
        and all(_TOKEN.fullmatch(name) for name in request.headers)
        and request.scheme in ("http", "https")
        and (request.authority is None or is_host(request.authority))
    )


def _mcp(args: Arguments) -> bool:
    return _is_json_object(cast("McpCall", args).arguments)


def _mcp_staged(args: Arguments) -> bool:
    return args.stage in ("request", "reply") and _mcp(args)  # type: ignore[attr-defined]


def _mcp_log(args: Arguments) -> bool:
    return args.op in ("level", "message") and _mcp(args)  # type: ignore[attr-defined]


def _mcp_list(args: Arguments) -> bool:
    return args.what in ("tools", "resources", "templates", "prompts")  # type: ignore[attr-defined]


def _mcp_read(args: Arguments) -> bool:
    read = cast("McpRead", args)
    return read.op in ("read", "subscribe", "unsubscribe") and _is_text(read.uri, URI_CHARS)


def _is_mcp_object(name: str) -> bool:
    server, slash, rest = name.partition("/")
    return _SERVER.fullmatch(server) is not None and (not slash or _is_text(rest, URI_CHARS))


def _is_named_rightly(call: ToolCall) -> bool:
    """Return whether the object of an MCP call is what its arguments say."""
    server, _, rest = call.object.partition("/")
    if server != cast("McpCall", call.args).server:
        return False
    if call.tool in (Tool.MCP_CALL, Tool.MCP_PROMPT):
        return 0 < len(rest) <= NAME_CHARS
    return rest == (cast("McpRead", call.args).uri if call.tool is Tool.MCP_READ else "")


_Check = tuple[type[Arguments], Callable[[str], bool], Callable[[Arguments], bool]]

_BOUNDS: dict[Tool, tuple[Callable[[str], bool], Callable[[Arguments], bool]]] = {
    Tool.FS_STAT: (is_path, _stat),
    Tool.FS_LIST: (is_path, _op("opendir", "readdir")),
    Tool.FS_READ: (is_path, _op("open", "read")),
    Tool.FS_WRITE: (is_path, _op("open", "write", "truncate")),
    Tool.FS_CREATE: (is_path, _create),
    Tool.FS_DELETE: (is_path, _delete),
    Tool.FS_RENAME: (is_path, _rename),
    Tool.FS_SETATTR: (is_path, _setattr),
    Tool.PROC_EXEC: (is_path, _exec),
    Tool.DNS_RESOLVE: (is_host, _resolve),
    Tool.NET_CONNECT: (is_host, _connect),
    Tool.NET_SEND: (is_host, _send),
    Tool.TLS_HELLO: (is_host, _hello),
    Tool.HTTP_REQUEST: (is_host, _http),
    Tool.MCP_CALL: (_is_mcp_object, _mcp),
    Tool.MCP_LIST: (_is_mcp_object, _mcp_list),
    Tool.MCP_READ: (_is_mcp_object, _mcp_read),
    Tool.MCP_PROMPT: (_is_mcp_object, _mcp),
    Tool.MCP_COMPLETE: (_is_mcp_object, _mcp),
    Tool.MCP_SAMPLE: (_is_mcp_object, _mcp_staged),
    Tool.MCP_ELICIT: (_is_mcp_object, _mcp_staged),
    Tool.MCP_ROOTS: (_is_mcp_object, _mcp_staged),
    Tool.MCP_LOG: (_is_mcp_object, _mcp_log),
}

_MESSAGES = frozenset({Tool.NET_SEND, Tool.TLS_HELLO, Tool.HTTP_REQUEST}) | MCP_TOOLS
"""Tools whose calls speak of bytes that a shell had to parse, and may not have understood or not want."""

_CHECKS: dict[Tool, _Check] = {tool: (ARGUMENTS[tool], *_BOUNDS[tool]) for tool in Tool}


INPUT = "input"
"""The word of the denial of arguments that do not fit the tool's own schema; its detail is for whoever made them."""


class Schema:
    """Judge form, never policy."""

    name = Layer.SCHEMA

    def __init__(self) -> None:
        self._allow = allow(self.name)
        self._arguments = deny(self.name, "arguments", "arguments of another tool")
        self._object = deny(self.name, "object", "not a well-formed object of this tool")
        self._bounds = deny(self.name, "bounds", "an argument is out of its bounds")
        self._malformed = deny(self.name, "malformed", "the message is not one that can be judged")

    def judge(self, call: ToolCall, state: SessionState) -> Verdict:
        """Allow what is well-formed."""
        kind, is_object, is_in_bounds = _CHECKS[call.tool]
        if type(call.args) is not kind:
            return self._arguments
        if not is_object(call.object):
            return self._object
        if not is_in_bounds(call.args):
            return self._bounds
        if call.tool in _MESSAGES and cast("NetSend | TlsHello | HttpRequest", call.args).fault is not None:
            return self._malformed
        return self._judge_mcp(call, state) if call.tool in MCP_TOOLS else self._allow

    def _judge_mcp(self, call: ToolCall, state: SessionState) -> Verdict:
        if not _is_named_rightly(call):
            return self._object
        if call.tool is Tool.MCP_CALL:
            server, _, name = call.object.partition("/")
            known = state.tools.find(server, name)
            if known is not None and known.check is not None:
                fault = known.check.fault(arguments_of(cast("McpCall", call.args).arguments))
                return self._allow if fault is None else deny(self.name, INPUT, fault)
        return self._allow
