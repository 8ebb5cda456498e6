"""`[approvals]`: who may answer an ask, how long a call waits, and what has been answered once and for all.

A grant answers asks of named reasons on named objects with yes. It never turns a denial around: what any layer denies
stays denied, granted or not.
"""

from __future__ import annotations

import enum
import posixpath
from collections.abc import Callable, Iterable

import msgspec

from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.tools import MCP_TOOLS, Tool
from gmcp_sandbox.policy.hosts import compile_hosts
from gmcp_sandbox.policy.match import compile_globs
from gmcp_sandbox.policy.wildcards import STAR, compile_wildcards
from gmcp_sandbox.policy.words import compile_argv

_PATHS = "fs."


class ApproverKind(enum.StrEnum):
    """Who may say yes."""

    NONE = "none"
    """Nobody: an ask is a denial at once."""
    TERMINAL = "terminal"
    """Whoever sits at the terminal that the agent was started from, there or with `approve`; without one, nobody."""
    ANYONE = "anyone"
    """Whoever can open the control socket: a call waits for them, terminal or not."""


class Grant(msgspec.Struct, frozen=True):
    """One answer given in advance.

    Attributes:
        reasons: Of the asks that it answers, for example `constitution.no-history-rewrite`.
        tools: Tools whose calls it covers.
        objects: What they are asked on: globs of paths, `server/tool` (`*` stands for any characters), host patterns,
            or for `proc.exec` command lines (`git push --force*`, `/usr/bin/git push`) or paths of programs. What a
            program says that it is called (`argv[0]`) grants nothing.
    """

    reasons: tuple[str, ...]
    tools: tuple[Tool, ...]
    objects: tuple[str, ...]


class ApprovalPolicy(msgspec.Struct, frozen=True):
    """What holds for asks."""

    approver: ApproverKind = ApproverKind.TERMINAL
    deadline_seconds: float = 120.0
    grants: tuple[Grant, ...] = ()


Covers = Callable[[ToolCall, frozenset[str]], bool]
"""Whether an ask of a call, for these reasons, is answered with yes."""


def compile_grants(grants: Iterable[Grant]) -> Covers:
    """Return one predicate over asks; every reason of an ask must be covered, each by some grant.

    Raises:
        GlobError: A pattern means nothing.
    """
    compiled = [(frozenset(grant.reasons), frozenset(grant.tools), _objects(grant)) for grant in grants]

    def covers(call: ToolCall, reasons: frozenset[str]) -> bool:
        left = set(reasons)
        for granted, tools, matches in compiled:
            if call.tool in tools and not left.isdisjoint(granted) and matches(call):
                left -= granted
        return bool(reasons) and not left

    return covers


def proposals(call: ToolCall) -> tuple[str, ...]:
    """Return patterns that an answer could cover, the narrowest first; each covers the call itself."""
    name = call.object
    if call.tool is Tool.PROC_EXEC:
        return _of_command(call)
    target = getattr(call.args, "target", None) if call.tool is Tool.FS_RENAME else None
    if target is not None:
        shared = _quoted(posixpath.commonpath((posixpath.dirname(name), posixpath.dirname(target))))
        return (f"{shared}/**",) if shared != "/" else ()
    if call.tool.startswith(_PATHS):
        exact = _quoted(name)
        above = _quoted(name.rpartition("/")[0])
        return (exact, f"{above}/**") if above else (exact,)
    if call.tool in MCP_TOOLS:
        return _of_server(name)
    above = name.partition(".")[2]
    return (name, f"*.{above}") if "." in above and not name.replace(".", "").isdigit() else (name,)


def _of_server(name: str) -> tuple[str, ...]:
    """Return the object itself and all of its server; a star, which has no other spelling, would say more."""
    server, slash, _rest = name.partition("/")
    exact = () if STAR in name else (name,)
    return (*exact, f"{server}/{STAR}") if slash else exact


def _of_command(call: ToolCall) -> tuple[str, ...]:
    argv = getattr(call.args, "argv", None)
    program = _word(call.object)
    if not argv or any(not word or any(c.isspace() or c == "\0" for c in word) for word in argv):
        return (program,)
    words = [_quoted(word) for word in argv[1:]]
    exact = " ".join([program, *words])
    return (exact, f"{program} {words[0]}") if len(words) > 1 else (exact,)


def _objects(grant: Grant) -> Callable[[ToolCall], bool]:
    """Return whether a call is on one of a grant's objects; tools of one kind stand in a grant."""
    if Tool.PROC_EXEC in grant.tools:
        lines = compile_argv(grant.objects)
        return lambda call: lines(call.object, _unnamed(call))
    if MCP_TOOLS.issuperset(grant.tools):
        names = compile_wildcards(grant.objects)
        return lambda call: names(call.object)
    if all(tool.startswith(_PATHS) for tool in grant.tools):
        globs = compile_globs(grant.objects)
        return lambda call: globs(call.object) and _target_fits(call, globs)
    hosts = compile_hosts(grant.objects)
    return lambda call: hosts(call.object)


def _unnamed(call: ToolCall) -> tuple[str, ...] | None:
    """Return a command line that is called what its file is called."""
    argv = getattr(call.args, "argv", None)
    return (call.object, *argv[1:]) if argv else None


def _target_fits(call: ToolCall, globs: Callable[[str], bool]) -> bool:
    """A rename is covered when both of its names are."""
    target = getattr(call.args, "target", None)
    return call.tool is not Tool.FS_RENAME or target is None or globs(target)


def _quoted(text: str) -> str:
    """Return the pattern of a name alone; `${` would be a variable where the pattern is written into a profile."""
    return "".join(f"\\{char}" if char in "*?[\\!" else char for char in text).replace("${", "$\\{")


def _word(path: str) -> str:
    """Return a path as one word of a command line: a white space, which would end it, becomes `?`."""
    return "".join("?" if char.isspace() else _quoted(char) for char in path)
