"""What is probed (DESIGN section 4), decided from tool, label, path and time alone.

Always: programs that run with a command line that is known, MCP calls, HTTP requests, hosts. Writes, deletes and
renames: outside of the workspace label (which takes in watched objects), and in bursts. Reads: of labels other than
system, workspace and scratch, but for files of the home directory that the profile shows by name. A decision that is
remembered does not come here again in its epoch, so "the first" needs no memory of its own.

A program without its command line is not asked about unless it lies in an unusual place: the name of a compiler or a
database shell says nothing of what it will do, and the model, asked all the same, stopped ordinary ones.

A script is asked about, and not once more its interpreter with the same words, unless the script's first line itself
holds more than one word for it (`#!/usr/bin/env -S …`). Nor is the system's interpreter that `env` then starts, in the
same process and with the very words that `env` was given.

The command that starts the session is not asked about: the user has just typed it, and nothing of the agent's has run
before it. The same words a second time are the agent's.

System programs whose words can do nothing that is no call of its own are not asked about (`plain`).

The inner programs of a compiler (`cc1`, `as`, `collect2`, `ld`) are not asked about where they are the system's own:
the driver that starts them was, each of their command lines names another temporary file, so that nothing could be
remembered, and what they write is judged where it is written.

Scratch trees and bursts are asked about by class of place, not by name: three thousand new files are one question.

Owned by the event loop. Guarantees: no content is looked at; at most `_CLASSES` classes are counted.
"""

from __future__ import annotations

import re
from typing import TypeGuard

from gmcp_sandbox.calls.arguments import FsWrite, ProcExec
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import SCRATCH, SYSTEM, WORKSPACE
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.policy.profile import ProbePolicy
from gmcp_sandbox.probe.places import place_class
from gmcp_sandbox.probe.plain import is_plain
from gmcp_sandbox.probe.question import Surroundings

BURST = 200
"""So many changes of one kind in one class of places within `BURST_NS` are a burst; it ends with the window."""
BURST_NS = 10_000_000_000
_CLASSES = 1024
_ENV = frozenset({"/usr/bin/env", "/bin/env"})
_UNDER_WAY = 256
_ALWAYS = frozenset(
    {
        Tool.PROC_EXEC,
        Tool.MCP_CALL,
        Tool.MCP_READ,
        Tool.MCP_PROMPT,
        Tool.HTTP_REQUEST,
        Tool.NET_CONNECT,
        Tool.NET_SEND,
    }
)
_CHANGES = frozenset({Tool.FS_WRITE, Tool.FS_DELETE, Tool.FS_RENAME})
_USUAL = frozenset({SYSTEM.name, WORKSPACE.name, SCRATCH.name})
_INNER = re.compile(r"/usr/(lib|libexec)/gcc/[^/]+/[^/]+/[a-z0-9-]+|/usr/bin/([a-z0-9_]+-){0,4}(as|ld(\.[a-z]+)?)")
"""Parts of a compiler that its driver starts."""
_READER = re.compile(
    r"(?:ba|da|z|k|fi|a)?sh|(?:python|perl|ruby|lua|php|tclsh|wish|pypy)[\d.]*|node(?:js)?|deno|bun|env|[gmn]?awk|expect"
    r"|Rscript|julia|guile|make|sed"
)
"""What a script's first line may name and is then the script: anything else (`#!/bin/rm -rf`) does something to it."""
_FLAGS = re.compile(r"-[a-zA-Z]{1,4}")
_CODE, _CODE_OF_SHELLS = frozenset("ceErR"), frozenset("c")
"""Options that make code of the word behind them, which is the script's name: it may be written to be run."""
PROBED = _ALWAYS | _CHANGES | {Tool.FS_READ}
"""Tools that can be probed at all."""


class Selection:
    """Which calls the gate wants, and which of them by class."""

    def __init__(self, policy: ProbePolicy, around: Surroundings) -> None:
        self._tools = frozenset(policy.tools) or PROBED
        self._around = around
        self._counts: dict[tuple[Tool, str], int] = {}
        self._window_from = 0
        self._begins = bool(around.command)
        self._by_env: dict[int, tuple[str, ...]] = {}
        """What `env` will start for a script that was asked about, by process."""

    def wants(self, call: ToolCall) -> bool:
        """True when the gate is to judge this call; to be asked once for each call that is judged anew."""
        tool = call.tool
        if tool not in self._tools:
            return False
        if isinstance(call.args, ProcExec):
            if self._begins:
                self._begins = False
                if call.args.argv == self._around.command:
                    return False
            return self._wants_start(call, call.args)
        if tool in _ALWAYS:
            return True
        if tool is Tool.FS_READ:
            return call.label.name not in _USUAL and call.object not in self._around.shown
        if call.label.name != WORKSPACE.name:
            return tool in _CHANGES
        return tool in _CHANGES and self._is_burst(call)

    def _wants_start(self, call: ToolCall, args: ProcExec) -> bool:
        is_system = call.label.name == SYSTEM.name
        if is_system and (_INNER.fullmatch(call.object) or is_plain(call.object, args, self._around.workspace)):
            return False
        told = self._by_env.pop(call.pid, None)
        if is_system and args.interprets is None and told is not None and args.argv == told:
            return False
        wanted = _says_something(args) or call.label.name not in _USUAL
        if not wanted and is_system and call.object in _ENV and _starts_reader(args.argv):
            self._expect(call.pid, args.argv[1:])
        return wanted

    def _expect(self, pid: int, words: tuple[str, ...]) -> None:
        if len(self._by_env) >= _UNDER_WAY:
            self._by_env.clear()
        self._by_env[pid] = words

    def by_class(self, call: ToolCall) -> bool:
        """True when the question is about the class of the place and not about its name."""
        return call.tool in _CHANGES and (call.label.name == SCRATCH.name or call.label.name == WORKSPACE.name)

    def _is_burst(self, call: ToolCall) -> bool:
        if isinstance(call.args, FsWrite) and call.args.op == "write":
            return False  # the open before it was counted
        if not 0 <= call.at_ns - self._window_from < BURST_NS or len(self._counts) >= _CLASSES:
            self._counts.clear()
            self._window_from = call.at_ns
        key = (call.tool, place_class(call.object, self._around.workspace, self._around.home))
        self._counts[key] = count = self._counts.get(key, 0) + 1
        return count > BURST


def _starts_reader(argv: tuple[str, ...] | None) -> TypeGuard[tuple[str, ...]]:
    """True where `env` is to start what reads scripts."""
    return argv is not None and len(argv) > 1 and _READER.fullmatch(argv[1].rpartition("/")[2]) is not None


def _says_something(args: ProcExec) -> bool:
    """True when the command line says more than was asked about already."""
    if args.argv is None:
        return False
    if args.interprets is None:
        return True
    words = args.argv
    if words[0].rpartition("/")[2] == "env":
        words = words[1:]
    if len(words) < 2:
        return not words or words[0] != args.interprets
    reader = words[0].rpartition("/")[2]
    if _READER.fullmatch(reader) is None:
        return True
    return words[1] != args.interprets and not _is_harmless_option(words[1], reader)


def _is_harmless_option(word: str, reader: str) -> bool:
    code = _CODE_OF_SHELLS if reader.endswith("sh") else _CODE
    return _FLAGS.fullmatch(word) is not None and code.isdisjoint(word)
