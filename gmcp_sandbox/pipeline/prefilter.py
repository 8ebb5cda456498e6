"""Layer 4: known attacks, by pattern, and contents that would run on the host.

What a hit leads to depends on where the text goes (`patterns.DENIED`): what is run, said to a tool or sent is denied
on a sure hit; what is written to a file is allowed and noted (`prefilter.flagged`), because a coding agent must be able
to write, clone and install files that hold such strings.

A path in an argument of an MCP call that climbs out of where it begins (`climbing.py`) is a sure hit as well.

Content guards (`policy/guards.py`) are no patterns: they deny by what a guarded file would come to say. Where they
cannot see that, they deny, too:
- a guarded path that is written without its whole content being there;
- a link between a guarded name and one that is not, because the content could be changed under the other name later.
A move without content is a move of something else than a regular file: whoever asks brings the bytes of every regular
file that comes under a guarded name, one call for each direction of an exchange, and says `lowers` of links.

Invariant: `judge` on a call without content looks at nothing but tool, object and arguments, unless
`depends_on_content` says so; the decision cache relies on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from gmcp_sandbox.calls.arguments import FsCreate, FsRename, FsWrite, HttpRequest, McpCall, McpRead, ProcExec
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.canonical import arguments_of
from gmcp_sandbox.calls.tools import MCP_TOOLS, Tool
from gmcp_sandbox.calls.verdicts import Layer, Outcome, Verdict
from gmcp_sandbox.pipeline.climbing import climbs
from gmcp_sandbox.pipeline.layer import allow, deny
from gmcp_sandbox.pipeline.patterns import DENIED, Category, Channel, Severity
from gmcp_sandbox.pipeline.scan import Budget, Hits, Scanner
from gmcp_sandbox.policy.guards import Guard, guard_for
from gmcp_sandbox.policy.state import SessionState

_PATHS_ONLY = frozenset({Tool.FS_STAT, Tool.FS_LIST, Tool.FS_READ, Tool.FS_DELETE, Tool.FS_SETATTR})
_GUARDED = frozenset({Tool.FS_WRITE, Tool.FS_CREATE, Tool.FS_RENAME})
_HOSTS_ONLY = frozenset({Tool.DNS_RESOLVE, Tool.NET_CONNECT, Tool.TLS_HELLO})
"""Objects that the schema layer holds to the letters of host names."""

_CHANNELS: dict[Tool, Channel] = {
    **dict.fromkeys(Tool, Channel.FILE),
    Tool.PROC_EXEC: Channel.ARGV,
    Tool.HTTP_REQUEST: Channel.OUTBOUND,
    Tool.NET_SEND: Channel.OUTBOUND,
    **dict.fromkeys(MCP_TOOLS, Channel.MESSAGE),
}
_BUDGETS: dict[Channel, Budget] = {
    Channel.FILE: Budget(runs=64, decoded_bytes=64 << 10, shortest=40, is_bulk=True),
    Channel.ARGV: Budget(runs=4096, decoded_bytes=1 << 20, shortest=16, is_bulk=False),
    Channel.MESSAGE: Budget(runs=4096, decoded_bytes=1 << 20, shortest=16, is_bulk=False),
    Channel.OUTBOUND: Budget(runs=4096, decoded_bytes=1 << 20, shortest=16, is_bulk=False),
}

FLAGGED = "prefilter.flagged"
"""The reason of an allow that notes hits; its detail names their categories."""

_INJECTIONS = frozenset({Category.OVERRIDE, Category.AUTHORITY})


def is_injection(verdict: Verdict) -> bool:
    """True for a verdict of this layer that notes text which looks like instructions to a model."""
    return verdict.reason == FLAGGED and not _INJECTIONS.isdisjoint(verdict.detail.split(","))


class Prefilter:
    """Judge texts against patterns, and contents against guards."""

    name = Layer.PREFILTER

    def __init__(self) -> None:
        self._allow = allow(self.name)
        self._scanner = Scanner()

    def judge(self, call: ToolCall, state: SessionState) -> Verdict:
        """Deny known attacks where they would take effect; note them elsewhere."""
        path = call.object
        if call.content is None and call.tool in _PATHS_ONLY and _is_plain(path):
            return self._allow
        if call.tool in _GUARDED:
            against = _guarded_verdict(call)
            if against is not None:
                return against
        return self._judge_texts(call)

    def depends_on_content(self, call: ToolCall) -> bool:
        """True when the verdict may differ between calls that differ in their content alone."""
        if call.content is not None:
            return True
        return call.tool in _GUARDED and any(guard_for(path) is not None for path in _names(call))

    def _judge_texts(self, call: ToolCall) -> Verdict:
        channel = _CHANNELS[call.tool]
        hits: Hits = {}
        for text in _texts(call):
            _merge(hits, self._scanner.scan(text, _BUDGETS[channel]))
        if call.tool in MCP_TOOLS and any(map(climbs, _leaves(call))):
            hits[Category.PATH_TRICK] = Severity.HIGH
        if call.content is not None:
            _merge(hits, self._scanner.scan(call.content, _BUDGETS[channel]))
        return self._conclude(channel, hits) if hits else self._allow

    def _conclude(self, channel: Channel, hits: Hits) -> Verdict:
        categories = ",".join(sorted(hits))
        score = float(max(hits.values()))
        against = sorted(category for category in DENIED[channel] if hits.get(category) is Severity.HIGH)
        if against:
            return deny(self.name, against[0], categories, score)
        return Verdict(self.name, Outcome.ALLOW, FLAGGED, categories, score)


def _is_plain(path: str) -> bool:
    return path.isascii() and path.isprintable() and "%" not in path and "\\" not in path


def _merge(hits: Hits, more: Hits) -> None:
    for category, severity in more.items():
        hits[category] = max(severity, hits.get(category, severity))


# ------------------------------------------------------------------------------------------------------------- texts


def _texts(call: ToolCall) -> tuple[bytes, ...]:
    """Return what a call says, apart from its content: argv joined by blanks, JSON as the strings in it."""
    if call.tool in _HOSTS_ONLY or (call.tool in _CHANNELS and call.tool in _PLAIN_TOOLS and _all_plain(call)):
        return ()
    said = _SAYS.get(call.tool)
    words = (call.object,) if said is None else (call.object, *said(call))
    return tuple(word.encode("utf-8", "surrogateescape") for word in words if word)


_PLAIN_TOOLS = _PATHS_ONLY | _GUARDED


def _all_plain(call: ToolCall) -> bool:
    return all(map(_is_plain, _names(call)))


def _names(call: ToolCall) -> tuple[str, ...]:
    """Return the paths in the view that a file system call is about."""
    if call.tool is Tool.FS_RENAME:
        return call.object, cast(FsRename, call.args).target
    if call.tool is Tool.FS_CREATE:
        made = cast(FsCreate, call.args)
        return (call.object, made.target) if made.target is not None else (call.object,)
    return (call.object,)


def _exec_says(call: ToolCall) -> tuple[str, ...]:
    argv = cast(ProcExec, call.args).argv
    return (" ".join(argv),) if argv else ()


def _http_says(call: ToolCall) -> tuple[str, ...]:
    return (cast(HttpRequest, call.args).path,)


def _mcp_says(call: ToolCall) -> tuple[str, ...]:
    return ("\n".join(_leaves(call)),)


def _read_says(call: ToolCall) -> tuple[str, ...]:
    return (cast(McpRead, call.args).uri,)


def _leaves(call: ToolCall) -> list[str]:
    """Return the texts of an MCP call, one by one."""
    if call.tool is Tool.MCP_READ:
        return [cast(McpRead, call.args).uri]
    return [] if call.tool is Tool.MCP_LIST else _strings(arguments_of(cast(McpCall, call.args).arguments))


def _strings(value: object) -> list[str]:
    """Return all strings in a JSON value, names of members included, without recursion."""
    found: list[str] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, dict):
            waiting.extend(reversed([part for member in item.items() for part in member]))
        elif isinstance(item, list):
            waiting.extend(reversed(item))
    return found


_SAYS: dict[Tool, Callable[[ToolCall], tuple[str, ...]]] = {
    Tool.FS_RENAME: lambda call: _names(call)[1:],
    Tool.FS_CREATE: lambda call: _names(call)[1:],
    Tool.PROC_EXEC: _exec_says,
    Tool.HTTP_REQUEST: _http_says,
    **dict.fromkeys(MCP_TOOLS - {Tool.MCP_LIST}, _mcp_says),
    Tool.MCP_READ: _read_says,
}


# ------------------------------------------------------------------------------------------------------------ guards


def _guarded_verdict(call: ToolCall) -> Verdict | None:
    """Return the denial of a guard, or None."""
    judge = _GUARD_JUDGES[call.tool]
    reason = judge(call)
    return None if reason is None else deny(Layer.PREFILTER, "host_executing_config", reason)


def _judge_content(guard: Guard, content: bytes | None) -> str | None:
    return "the content is not known" if content is None else guard.judge(content)


def _guard_write(call: ToolCall) -> str | None:
    guard = guard_for(call.object)
    if guard is None or (cast(FsWrite, call.args).op == "open" and call.content is None):
        return None
    return _judge_content(guard, call.content)


def _guard_create(call: ToolCall) -> str | None:
    made = cast(FsCreate, call.args)
    guard = guard_for(call.object)
    if made.kind in ("symlink", "hardlink"):
        other = guard_for(made.target or "")
        if guard is None and (other is None or made.kind == "symlink"):
            return None
        if guard is None or other is None:
            return "a link between a guarded name and another"
        return None if made.kind == "symlink" else _judge_content(guard, call.content)
    if guard is None or call.content is None:
        return None
    return guard.judge(call.content)


def _guard_rename(call: ToolCall) -> str | None:
    guard = guard_for(cast(FsRename, call.args).target)
    return None if guard is None or call.content is None else guard.judge(call.content)


_GUARD_JUDGES: dict[Tool, Callable[[ToolCall], str | None]] = {
    Tool.FS_WRITE: _guard_write,
    Tool.FS_CREATE: _guard_create,
    Tool.FS_RENAME: _guard_rename,
}
