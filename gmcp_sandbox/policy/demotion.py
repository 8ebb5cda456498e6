"""Signals that cost an agent trust: denials, and hits of patterns that tell of injected instructions.

Looking for what the view does not show is no denial here: programs search for files all the time. Nor is what an MCP
server asks for or says by itself: the agent would pay for what a stranger does. Calls follow each other by their
numbers, so that an allowed call costs nothing: denials are in a row when no call that was allowed came between them.

Leaves to others: lowering the tier, and the record of it (the monitor).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gmcp_sandbox.calls.arguments import McpElicit, McpLog, McpRoots, McpSample
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import OUTSIDE
from gmcp_sandbox.policy.counters import Sum
from gmcp_sandbox.policy.profile import Demotion

DENIALS, IN_A_ROW, INJECTION = "denials", "denials_in_a_row", "injection"


class Fall(msgspec.Struct, frozen=True):
    """A demotion that is due: by which signal, and the number that it reached."""

    demotion: Demotion
    reached: int


class Signals:
    """What was noticed of one agent under one profile."""

    def __init__(self, demotions: Iterable[Demotion]) -> None:
        # The deepest fall first: one signal may be due for several.
        self._demotions = sorted(demotions, key=lambda one: one.tier)
        self._sums = {one: Sum(one.seconds) for one in self._demotions}
        self._row = 0
        self._last = 0

    def denied(self, call: ToolCall) -> Fall | None:
        """Take note of a denied call; return the demotion that is due."""
        is_next = call.seq <= self._last + 1
        self._last = max(self._last, call.seq)
        if call.label.rank >= OUTSIDE.rank or _is_of_a_server(call):
            self._row = self._row if is_next else 0
            return None
        self._row = self._row + 1 if is_next else 1
        return self._due((DENIALS, IN_A_ROW), call.at_ns)

    def hit(self, call: ToolCall) -> Fall | None:
        """Take note of a call whose text looked like an injected instruction; return the demotion that is due."""
        return self._due((INJECTION,), call.at_ns)

    def _due(self, signals: tuple[str, ...], at_ns: int) -> Fall | None:
        due = None
        for one in self._demotions:
            if one.signal not in signals:
                continue
            reached = self._row if one.signal == IN_A_ROW else self._counted(one, at_ns)
            if reached >= one.count and due is None:
                due = Fall(one, reached)
        return due

    def _counted(self, one: Demotion, at_ns: int) -> int:
        self._sums[one].add(1, at_ns)
        return self._sums[one].value(at_ns)


def _is_of_a_server(call: ToolCall) -> bool:
    args = call.args
    if isinstance(args, McpSample | McpElicit | McpRoots):
        return args.stage == "request"
    return isinstance(args, McpLog) and args.op == "message"
