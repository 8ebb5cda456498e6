"""Conversations between an agent and a server over real sockets, with a door of the test's choosing in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio
import trio.testing

from gmcp_sandbox.calls.arguments import NetConnect
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.verdicts import Decision, Layer, Outcome, Verdict
from gmcp_sandbox.monitor.arrivals import Arrivals
from gmcp_sandbox.net.converse import Conversation, Interception
from gmcp_sandbox.net.types import Closing, HandOff, Target

TARGET = Target("example.com", 80, "198.18.0.1", False)


@dataclass
class Door:
    """A mediator that denies what `denies` says, and what carries a fault, as the schema layer does."""

    denies: Callable[[ToolCall], bool] = lambda call: False
    raw: bool = False
    calls: list[ToolCall] = field(default_factory=list)

    def call(self, tool, object, args, *, label, pid=0, extent=None, content=None, derived=()):
        return ToolCall(len(self.calls) + 1, 0, "s", "a", pid, tool, object, args, label, extent, content)

    async def mediate(self, call: ToolCall) -> Decision:
        return self.begin(call)

    async def settle(self, call: ToolCall, unsettled: object) -> Decision:
        raise AssertionError("nothing is left open here")

    def begin(self, call: ToolCall) -> Decision:
        self.calls.append(call)
        is_denied = self.denies(call) or getattr(call.args, "fault", None) is not None or self._is_opaque(call)
        outcome = Outcome.DENY if is_denied else Outcome.ALLOW
        return Decision(call, outcome, (Verdict(Layer.TRUST, outcome, "trust.test"),), 0)

    def _is_opaque(self, call: ToolCall) -> bool:
        return isinstance(call.args, NetConnect) and call.args.raw is not None and not self.raw

    @property
    def args(self) -> list[Any]:
        """The arguments of the calls, whatever their type."""
        return [call.args for call in self.calls]

    @property
    def asked(self) -> list[str]:
        """What was asked, one line a call."""
        return [_shown(call) for call in self.calls]


def _shown(call: ToolCall) -> str:
    args = call.args
    words = [getattr(args, name, None) for name in ("method", "path", "server_name", "raw", "fault")]
    return " ".join([call.tool.value, *(str(word) for word in words if word is not None)])


def pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    here, there = trio.socket.socketpair()
    return trio.SocketStream(here), trio.SocketStream(there)


@dataclass
class Talk:
    """The two ends that the tested conversation stands between, and how it ended."""

    agent: trio.SocketStream
    server: trio.SocketStream
    ended: trio.Event = field(default_factory=trio.Event)
    how: Closing | HandOff | None = None

    async def end(self) -> Closing | HandOff:
        await self.ended.wait()
        assert self.how is not None
        return self.how

    async def closing(self) -> str:
        how = await self.end()
        assert isinstance(how, Closing), how
        return how.how


@asynccontextmanager
async def talk(
    door: Door,
    target: Target = TARGET,
    interception: Interception | None = None,
    *,
    moved=lambda up, down: None,
    is_ruled=lambda: False,
    arrivals: Arrivals | None = None,
    limit=20,
) -> AsyncIterator[Talk]:
    """Run a conversation; as the shell does, close both streams when it has ended and not when it was handed off."""
    agent, inner = pair()
    outer, server = pair()
    ends = Talk(agent, server)
    conversation = Conversation(
        door, interception=interception, is_ruled=lambda host, port: is_ruled(), arrivals=arrivals
    )

    async def run() -> None:
        ends.how = await conversation(target, inner, outer, moved)
        ends.ended.set()
        if not isinstance(ends.how, HandOff):
            await trio.aclose_forcefully(inner)
            await trio.aclose_forcefully(outer)

    try:
        with trio.fail_after(limit):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(conversation.run)
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(run)
                yield ends
                nursery.cancel_scope.cancel()
    finally:
        for stream in (agent, inner, outer, server):
            stream.socket.close()


async def read_all(stream: trio.abc.Stream) -> bytes:
    """Return what comes until the stream ends."""
    found = b""
    try:
        while data := await stream.receive_some():
            found += data
    except trio.BrokenResourceError:
        pass
    return found


async def read_until(stream: trio.abc.Stream, mark: bytes) -> bytes:
    found = b""
    while mark not in found:
        data = await stream.receive_some()
        assert data, f"ended after {found!r}"
        found += data
    return found
