"""The life of the agent's TCP flows: judged, dialled, let in, taken up, conversed with, carried, written down.

    SYN ─► net.connect ─► upstream dialled ─► SYN let in ─► accepted ─► application layer ─► relay ─► "flow" event

Invariants:
- No byte leaves, and the agent's connect() does not return, before the call was allowed and upstream has answered.
- A connection that no ready flow expects is reset.
- When the policy's state changes, every flow stands still until it was judged again.
"""

from __future__ import annotations

import errno
import socket
from collections import defaultdict
from typing import Final

import trio

from gmcp_sandbox.calls.arguments import NetConnect
from gmcp_sandbox.calls.labels import NETWORK
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.errors import AuditError
from gmcp_sandbox.net import sockets
from gmcp_sandbox.net.flow import Flow
from gmcp_sandbox.net.flows import Answer, FlowKey, FlowTable, Stage
from gmcp_sandbox.net.gateway import Gateway
from gmcp_sandbox.net.listeners import Listeners
from gmcp_sandbox.net.oddities import Oddities
from gmcp_sandbox.net.openflows import OpenFlows
from gmcp_sandbox.net.packets import Packet, parse
from gmcp_sandbox.net.parts import DNS_PORT, Parts
from gmcp_sandbox.net.refusals import SILENCE, Refusals
from gmcp_sandbox.net.tun import HEADER_BYTES
from gmcp_sandbox.net.types import DialError, Dialled, Target

MOST_HALF_OPEN: Final = 256
READY_SECONDS: Final = 10.0
SILENT_SECONDS: Final = 135.0
"""For so long the agent's kernel repeats a SYN: six times, each after twice the time before (tcp(7))."""
_SYN: Final = 0x02
_SYN_AND_BAD: Final = 0x3F
"""All flags but those of explicit congestion notification, which a SYN may have."""


class Connector:
    """All TCP flows of a session. Use `run` once."""

    def __init__(
        self, parts: Parts, gateway: Gateway, refusals: Refusals, oddities: Oddities, open_flows: OpenFlows
    ) -> None:
        self._parts = parts
        self._gateway = gateway
        self._refusals = refusals
        self._oddities = oddities
        self._open_flows = open_flows
        self._table = FlowTable(parts.policy.max_flows, MOST_HALF_OPEN)
        self._flows: dict[FlowKey, Flow] = {}
        self._nursery: trio.Nursery | None = None
        self._listeners: Listeners | None = None

    async def run(self) -> None:
        """Serve, for as long as the session lasts."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._listeners = Listeners(nursery, self._accepted)
            await trio.sleep_forever()

    # -------------------------------------------------------------------------------------------------- what comes in

    def syn(self, packet: Packet, frame: bytes) -> None:
        """Take a SYN of the agent's: never waits."""
        segment = packet.tcp
        assert segment is not None and self._nursery is not None
        if segment.flags & _SYN_AND_BAD != _SYN or segment.length:
            self._oddities.note("data in syn" if segment.length else "flags of syn", packet.destination)
            self._refusals.denied(packet, frame[HEADER_BYTES:])
            return
        key = FlowKey(segment.source_port, packet.destination, segment.destination_port)
        answer = self._table.syn(key, segment.sequence, frame, trio.current_time())
        if answer is Answer.JUDGE:
            flow = self._flows[key] = Flow(key, self._parts.target(key.address, key.port))
            self._nursery.start_soon(self._live, flow)
        elif answer is Answer.LET_IN:
            self._gateway.let_in(frame)
        elif answer is Answer.WAIT:
            self._oddities.count("half-open connections at their limit")
        elif answer is Answer.REFUSE:
            self._oddities.note("flows at their limit", packet.destination)
            self._refusals.denied(packet, frame[HEADER_BYTES:])

    def listener(self, sock: socket.socket, port: int) -> None:
        """Take a listener that was asked for."""
        assert self._listeners is not None
        self._listeners.add(sock, port)

    def _accepted(self, key: FlowKey, sock: socket.socket) -> None:
        flow = self._flows.get(key)
        if flow is None or not self._table.open(key):
            self._oddities.note("connection without a call", key.address)
            sockets.reset(sock)
        else:
            flow.take_up(sock)

    # ---------------------------------------------------------------------------------------------------- a flow's life

    async def _live(self, flow: Flow) -> None:
        try:
            with flow.scope:
                if flow.key.port == DNS_PORT:
                    await self._answer_questions(flow)
                else:
                    await self._connect(flow)
        except AuditError:
            pass  # no record, no effect; the monitor ends the session
        finally:
            flow.close(with_reset=True)  # closed already unless the flow was cut off
            del self._flows[flow.key]
            if self._table.stage(flow.key) is not Stage.SILENT:  # the SYNs that still come are no new calls
                self._table.close(flow.key)

    async def _answer_questions(self, flow: Flow) -> None:
        """Each question is a call of its own; there is no upstream."""
        await self._let_in(flow)
        if flow.agent is not None:
            await self._open_flows.answer_questions(flow)

    async def _connect(self, flow: Flow) -> None:
        if not await self._is_allowed(flow.target):
            self._refuse(flow, errno.EACCES)
            return
        dialled = await self._dial(flow)
        if dialled is None:
            return
        try:
            await self._let_in(flow)
            if flow.agent is not None:
                await self._open_flows.hold(flow, dialled)
        finally:
            dialled.stream.socket.close()

    async def _is_allowed(self, target: Target) -> bool:
        mediator = self._parts.mediator
        args = NetConnect(target.port, target.address if target.is_literal else None)
        decision = await mediator.mediate(mediator.call(Tool.NET_CONNECT, target.host, args, label=NETWORK))
        return decision.is_allowed

    async def _dial(self, flow: Flow) -> Dialled | None:
        """Dial; tell the agent of a failure and return None."""
        target = flow.target
        try:
            return await self._parts.dialer.dial(target)
        except DialError as error:
            failure = error
        self._parts.event("dial_failed", host=target.host, port=target.port, errno=failure.errno, why=failure.reason)
        if failure.errno == SILENCE:
            self._table.silence(flow.key, trio.current_time() + SILENT_SECONDS)
        else:
            self._refuse(flow, failure.errno)
        return None

    def _refuse(self, flow: Flow, code: int) -> None:
        data = self._table.close(flow.key)[HEADER_BYTES:]
        self._refusals.failed(parse(data), data, code)

    async def _let_in(self, flow: Flow) -> None:
        """Let the held SYN in and wait for its connection; there is none when the agent has given up meanwhile."""
        await flow.until_thawed()
        frame = self._table.ready(flow.key)
        assert self._listeners is not None
        if self._listeners.has(flow.key.port):
            self._gateway.let_in(frame)
            self._listeners.take(flow.key.port)
        else:
            self._gateway.listen_and_let_in(flow.key.port, frame)
        if flow.agent is None:
            with trio.move_on_after(READY_SECONDS):
                await flow.taken_up.wait()
        await flow.until_thawed()

    def count(self) -> int:
        """Return how many flows there are."""
        return len(self._flows)

    # -------------------------------------------------------------------------------------------------- another epoch

    def freeze(self) -> None:
        """Let nothing more in for any flow, until it was judged again. Never waits."""
        for flow in self._flows.values():
            flow.freeze()

    async def judge_again(self, changed: trio.Event) -> None:
        """Judge every frozen flow again: it goes on, or ends. Stop when `changed` is set: all are frozen once more."""
        by_target: dict[Target, list[Flow]] = defaultdict(list)
        for flow in self._flows.values():
            if flow.is_frozen:
                by_target[flow.target].append(flow)
        for target, flows in by_target.items():
            is_allowed = target.port == DNS_PORT or await self._is_allowed(target)
            if changed.is_set():
                return
            for flow in flows:
                if is_allowed:
                    flow.thaw()
                else:
                    flow.revoke()
