"""Typed arguments, one frozen value a tool.

Everything that varies from one request to the next without changing what is asked (offsets and lengths of
reads and writes, content) is no argument but a field of the `ToolCall`, so that equal questions have equal
arguments and a decision can be remembered. Names of files are `str` with surrogate escapes for bytes that
are not UTF-8 (PEP 383).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from gmcp_sandbox.calls.tools import Tool


class Arguments(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Base of all arguments. Values are hashable and compare by content."""


class FsStat(Arguments, frozen=True):
    """Ask for the attributes of an object, or whether a name exists."""

    op: Literal["lookup", "getattr", "access", "readlink", "getxattr", "listxattr"]
    xattr: str | None = None


class FsList(Arguments, frozen=True):
    """Ask for the names in a directory."""

    op: Literal["opendir", "readdir"]


class FsRead(Arguments, frozen=True):
    """Open for reading, or read bytes."""

    op: Literal["open", "read"]


class FsWrite(Arguments, frozen=True):
    """Open for writing, write bytes, or cut to a length."""

    op: Literal["open", "write", "truncate"]
    append: bool = False
    truncate: bool = False


class FsCreate(Arguments, frozen=True):
    """Make a name: file, directory, fifo, socket, symbolic link or hard link."""

    kind: Literal["file", "dir", "fifo", "socket", "symlink", "hardlink"]
    mode: int = 0o600
    """Permission bits, 0 to 0o7777."""
    target: str | None = None
    """What a symbolic link says, or the object's path that a hard link names."""
    lowers: bool = False
    """The new name would give the object a lower label, or lead around a guard; never granted."""


class FsDelete(Arguments, frozen=True):
    """Remove a name."""

    kind: Literal["file", "dir"]
    is_new: bool = False
    """What is removed was made since the session began: nothing is lost that was there before."""


class FsRename(Arguments, frozen=True):
    """Move a name to `target`, another path in the view."""

    target: str
    replaces: bool = False
    exchange: bool = False
    lowers: bool = False
    """The target would give the object, or something in it, a lower label, or lead around a guard; never granted."""


class FsSetattr(Arguments, frozen=True):
    """Change attributes; only what is not None changes."""

    op: Literal["chmod", "chown", "utimes", "setxattr", "removexattr"]
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    xattr: str | None = None


class ProcExec(Arguments, frozen=True):
    """Run a program. `argv` and `cwd` are None where they are not known: for what loads a program into memory."""

    argv: tuple[str, ...] | None = None
    cwd: str | None = None
    digest: str | None = None
    """Of the file, the first 160 bits of Blake3; None for a loader, and for a file too large to be read each time."""
    interprets: str | None = None
    """The script, as `argv` names it, whose first line has this program run."""
    fault: str | None = None
    """What is wrong with the start; never granted."""


class DnsResolve(Arguments, frozen=True):
    """Ask for the records of a name (the call's object)."""

    qtype: str


class NetConnect(Arguments, frozen=True):
    """Open a TCP connection to the call's object, a name or a literal address; or carry opaque bytes on it."""

    port: int
    address: str | None = None
    raw: Literal["unknown", "server_first", "silent", "upgrade", "connect", "http2"] | None = None
    """None: open it. Else why the open flow is about to carry bytes that are neither TLS nor HTTP."""


class NetSend(Arguments, frozen=True):
    """Start a UDP flow, send an ICMP echo (port None), or send a packet of a kind that nobody may send."""

    protocol: Literal["udp", "icmp", "other"]
    port: int | None = None
    fault: str | None = None
    """What is wrong with the packet; never granted."""


class TlsHello(Arguments, frozen=True):
    """A ClientHello on a flow bound to the call's object."""

    server_name: str | None
    port: int
    alpn: tuple[str, ...] = ()
    """Protocols that the client offers."""
    ech: bool = False
    """Encrypted ClientHello is offered or feigned: the name inside, if there is one, is not known."""
    fault: str | None = None
    """Why the bytes are no ClientHello that can be judged; never granted."""


class HttpRequest(Arguments, frozen=True):
    """One HTTP request on a flow bound to the call's object."""

    method: str
    path: str
    port: int
    headers: tuple[str, ...] = ()
    """Header names only, lower case; values may be secret."""
    scheme: Literal["http", "https"] = "http"
    """`https`: inside of an intercepted TLS flow."""
    authority: str | None = None
    """The host that the request itself names, lower case, without its port."""
    fault: str | None = None
    """Why the request cannot be passed on as it stands; never granted."""


class McpCall(Arguments, frozen=True):
    """Call an MCP tool; the object is `server/tool`, the arguments are canonical JSON."""

    server: str
    arguments: str
    fault: str | None = None
    """Why the message cannot be judged; never granted."""


class McpList(Arguments, frozen=True):
    """List tools, resources, templates of resources, or prompts of a server, the object."""

    server: str
    what: Literal["tools", "resources", "templates", "prompts"]
    fault: str | None = None
    """Why the message cannot be judged; never granted."""


class McpRead(Arguments, frozen=True):
    """Read an MCP resource, or be told when it changes; the object is `server/uri`."""

    server: str
    uri: str
    op: Literal["read", "subscribe", "unsubscribe"] = "read"
    fault: str | None = None
    """Why the message cannot be judged; never granted."""


class McpPrompt(Arguments, frozen=True):
    """Get an MCP prompt; the object is `server/prompt`, the arguments are canonical JSON."""

    server: str
    arguments: str
    fault: str | None = None
    """Why the message cannot be judged; never granted."""


class McpComplete(Arguments, frozen=True):
    """Have a server, the object, complete an argument of a prompt or resource; what is asked is canonical JSON."""

    server: str
    arguments: str
    fault: str | None = None
    """Why the message cannot be judged; never granted."""


class McpSample(Arguments, frozen=True):
    """A server, the object, asks the agent's model (`request`), and gets its words (`reply`), as canonical JSON."""

    server: str
    stage: Literal["request", "reply"]
    arguments: str
    fault: str | None = None
    """Why the message cannot be judged; never granted."""


class McpElicit(Arguments, frozen=True):
    """A server, the object, asks the agent's user (`request`), and gets the answer (`reply`), as canonical JSON."""

    server: str
    stage: Literal["request", "reply"]
    arguments: str
    fault: str | None = None
    """Why the message cannot be judged; never granted."""


class McpRoots(Arguments, frozen=True):
    """A server, the object, asks for the client's roots (`request`), and gets them (`reply`), as canonical JSON."""

    server: str
    stage: Literal["request", "reply"]
    arguments: str = "{}"
    fault: str | None = None
    """Why the message cannot be judged; never granted."""


class McpLog(Arguments, frozen=True):
    """Tell a server, the object, how much to log (`level`), or take in what it logs (`message`), as canonical JSON."""

    server: str
    op: Literal["level", "message"]
    arguments: str
    fault: str | None = None
    """Why the message cannot be judged; never granted."""


ARGUMENTS: dict[Tool, type[Arguments]] = {
    Tool.FS_STAT: FsStat,
    Tool.FS_LIST: FsList,
    Tool.FS_READ: FsRead,
    Tool.FS_WRITE: FsWrite,
    Tool.FS_CREATE: FsCreate,
    Tool.FS_DELETE: FsDelete,
    Tool.FS_RENAME: FsRename,
    Tool.FS_SETATTR: FsSetattr,
    Tool.PROC_EXEC: ProcExec,
    Tool.DNS_RESOLVE: DnsResolve,
    Tool.NET_CONNECT: NetConnect,
    Tool.NET_SEND: NetSend,
    Tool.TLS_HELLO: TlsHello,
    Tool.HTTP_REQUEST: HttpRequest,
    Tool.MCP_CALL: McpCall,
    Tool.MCP_LIST: McpList,
    Tool.MCP_READ: McpRead,
    Tool.MCP_PROMPT: McpPrompt,
    Tool.MCP_COMPLETE: McpComplete,
    Tool.MCP_SAMPLE: McpSample,
    Tool.MCP_ELICIT: McpElicit,
    Tool.MCP_ROOTS: McpRoots,
    Tool.MCP_LOG: McpLog,
}
