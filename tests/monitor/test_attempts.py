from __future__ import annotations

from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Decision, Layer, Outcome, Verdict
from gmcp_sandbox.monitor.attempts import Attempts

VSOCK, RAW = (40, 1, 0, 0, 0, 0), (2, 3, 255, 0, 0, 0)


class Paper:
    """Denies whatever has a fault; keeps calls and events."""

    def __init__(self):
        self.calls, self.events = [], []

    def call(self, tool, object, args, *, label, pid=0, extent=None, content=None, derived=()):
        return ToolCall(len(self.calls) + 1, 0, "s", "a", pid, tool, object, args, label, extent, content)

    async def mediate(self, call):
        self.calls.append(call)
        outcome = Outcome.DENY if call.args.fault else Outcome.ALLOW
        return Decision(call, outcome, (Verdict(Layer.SCHEMA, outcome, "schema.malformed"),), 0)

    def event(self, name, **fields):
        self.events.append((name, fields))


async def test_the_first_of_a_kind_is_recorded_and_all_are_counted():
    paper = Paper()
    attempts = Attempts(paper, paper.event)
    for _ in range(3):
        await attempts.take(7, "socket", VSOCK)
        await attempts.take(7, "socket", RAW)
        await attempts.take(7, "setns", (3, 0, 0, 0, 0, 0))
    assert [(call.pid, call.tool, call.args.fault) for call in paper.calls] == [
        (7, Tool.NET_SEND, "VSOCK socket"),
        (7, Tool.NET_SEND, "raw socket"),
    ]
    assert paper.events == [("attempt_refused", {"what": "setns", "pid": 7})]
    attempts.report()
    assert paper.events[1:] == [("attempts_refused", {"counts": {"VSOCK socket": 3, "raw socket": 3, "setns": 3}})]


async def test_a_flood_of_kinds_leaves_few_records_and_the_count():
    paper = Paper()
    attempts = Attempts(paper, paper.event)
    for family in range(1000, 3000):
        await attempts.take(7, "socket", (family, 1, 0, 0, 0, 0))
    assert len(paper.calls) == 64
    attempts.report()
    assert paper.events[-1][1]["counts"]["others"] == 2000 - 64


async def test_what_is_no_attempt_leaves_nothing():
    paper = Paper()
    attempts = Attempts(paper, paper.event)
    await attempts.take(7, "io_uring_setup", (8, 0, 0, 0, 0, 0))
    attempts.report()
    assert paper.calls == paper.events == []
