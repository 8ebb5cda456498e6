"""UDP flows: the first datagram is a judged call, the rest goes through a socket of the host until it falls silent.

DNS questions go to our own service, to whatever server they are addressed. QUIC and multicast are refused: a client
falls back to TCP, where the application layer sees what it says.

Invariants:
- No datagram leaves before its flow was allowed, and none while the policy's state has changed since.
- A flow's socket is connected: it takes answers from the checked address alone.
- What waits for a decision is bounded; a refused flow is refused for `_REFUSED_SECONDS` without another call.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import Final

import trio

from gmcp_sandbox.calls.arguments import NetSend
from gmcp_sandbox.calls.labels import NETWORK
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.errors import AuditError
from gmcp_sandbox.net import packets
from gmcp_sandbox.net.flows import FlowKey
from gmcp_sandbox.net.gateway import Gateway
from gmcp_sandbox.net.oddities import Oddities
from gmcp_sandbox.net.packets import Packet, PacketError
from gmcp_sandbox.net.parts import DNS_PORT, Parts
from gmcp_sandbox.net.refusals import Refusals
from gmcp_sandbox.net.types import DialError, Endpoint, Target

QUIC_PORT: Final = 443
_WAITING: Final = 16
"""Datagrams of one flow that wait for a decision."""
_QUESTIONS: Final = 256
"""DNS questions that wait for an answer."""
_REFUSED_SECONDS: Final = 3.0
_TURN: Final = 64


class UdpFlow:
    """One flow, from its first datagram until it has been silent for long enough."""

    def __init__(self, target: Target, packet: Packet, data: bytes) -> None:
        assert packet.udp is not None
        self.target = target
        self.agent = Endpoint(packet.source, packet.udp.source_port)
        self.peer = Endpoint(packet.destination, packet.udp.destination_port)
        self.first = (packet, data)
        self.waiting = [packet.udp.payload]
        self.sock: socket.socket | None = None
        self.address = ""
        self.refusal = 0
        self.is_frozen = False
        self.is_revoked = False
        self.scope = trio.CancelScope()
        self.up = self.down = 0


class Datagrams:
    """All UDP flows of a session. Use `run` once."""

    def __init__(self, parts: Parts, gateway: Gateway, refusals: Refusals, oddities: Oddities) -> None:
        self._parts = parts
        self._gateway = gateway
        self._refusals = refusals
        self._oddities = oddities
        self._flows: dict[FlowKey, UdpFlow] = {}
        self._questions = 0
        self._nursery: trio.Nursery | None = None

    def count(self) -> int:
        """Return how many flows there are."""
        return len(self._flows)

    async def run(self) -> None:
        """Serve, for as long as the session lasts."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await trio.sleep_forever()

    # -------------------------------------------------------------------------------------------------- what comes in

    def receive(self, packet: Packet, data: bytes) -> None:
        """Take a datagram of the agent's: never waits."""
        datagram = packet.udp
        assert datagram is not None and self._nursery is not None
        if datagram.destination_port == DNS_PORT:
            self._ask(packet)
        elif datagram.destination_port == QUIC_PORT:
            self._oddities.note("quic", self._parts.target(packet.destination, QUIC_PORT).host)
            self._refusals.failed(packet, data, errno.ECONNREFUSED)
        else:
            self._pass(FlowKey(datagram.source_port, packet.destination, datagram.destination_port), packet, data)

    def _pass(self, key: FlowKey, packet: Packet, data: bytes) -> None:
        assert packet.udp is not None and self._nursery is not None
        flow = self._flows.get(key)
        if flow is None:
            if len(self._flows) >= self._parts.policy.max_flows:
                self._oddities.note("flows at their limit", packet.destination)
                self._refusals.denied(packet, data)
                return
            flow = self._flows[key] = UdpFlow(self._parts.target(key.address, key.port), packet, data)
            self._nursery.start_soon(self._live, key, flow)
        elif flow.refusal:
            self._refusals.failed(packet, data, flow.refusal)
        elif flow.sock is None or flow.is_frozen:
            if len(flow.waiting) < _WAITING:
                flow.waiting.append(packet.udp.payload)
        else:
            self._send(flow, flow.sock, packet.udp.payload)

    def _send(self, flow: UdpFlow, sock: socket.socket, payload: bytes) -> None:
        try:
            sock.send(payload)
        except OSError:
            return  # full, or an answer to an earlier one, which the next receive meets: lost, as datagrams are
        flow.up += len(payload)
        self._parts.count("net.bytes_up", flow.target.host, len(payload))
        flow.scope.deadline = trio.current_time() + self._parts.policy.udp_idle_seconds

    # ------------------------------------------------------------------------------------------------------------ dns

    def _ask(self, packet: Packet) -> None:
        assert self._nursery is not None
        if self._questions >= _QUESTIONS:
            self._oddities.count("dns questions at their limit")
            return
        self._questions += 1
        self._nursery.start_soon(self._answer, packet)

    async def _answer(self, packet: Packet) -> None:
        assert packet.udp is not None
        agent = Endpoint(packet.source, packet.udp.source_port)
        server = Endpoint(packet.destination, packet.udp.destination_port)
        try:
            answer = await self._parts.dns.answer(packet.udp.payload, agent, server)
        except AuditError:
            return  # no record, no answer; the monitor ends the session
        finally:
            self._questions -= 1
        if answer is not None:
            self._deliver(server, agent, answer)

    # ---------------------------------------------------------------------------------------------------- a flow's life

    async def _live(self, key: FlowKey, flow: UdpFlow) -> None:
        with contextlib.suppress(AuditError):  # no record, no effect; the monitor ends the session
            try:
                with flow.scope:
                    if await self._open(flow):
                        await self._relay(flow)
            finally:
                del self._flows[key]
                if flow.sock is not None:
                    flow.sock.close()
                    self._write_down(flow)

    async def _open(self, flow: UdpFlow) -> bool:
        """Judge, find the address, connect. Refuse where that fails, and stay so for a while."""
        code = 0 if await self._is_allowed(flow.target) else errno.EACCES
        if not code:
            try:
                flow.address = await self._parts.locator.locate(flow.target)
                flow.sock = _connected(flow.address, flow.target.port)
            except DialError as error:
                code = self._cannot(flow.target, error.errno, error.reason)
            except OSError as error:
                code = self._cannot(flow.target, error.errno or errno.EHOSTUNREACH, "unreachable")
        if code:
            flow.refusal = code
            self._refusals.failed(*flow.first, code)
            await trio.sleep(_REFUSED_SECONDS)
        return not code

    def _cannot(self, target: Target, code: int, why: str) -> int:
        """Write down that an allowed flow goes nowhere; return its error."""
        self._parts.event("dial_failed", protocol="udp", host=target.host, port=target.port, errno=code, why=why)
        return code

    async def _is_allowed(self, target: Target) -> bool:
        mediator = self._parts.mediator
        call = mediator.call(Tool.NET_SEND, target.host, NetSend("udp", target.port), label=NETWORK)
        return (await mediator.mediate(call)).is_allowed

    async def _relay(self, flow: UdpFlow) -> None:
        sock = flow.sock
        assert sock is not None
        flow.scope.deadline = trio.current_time() + self._parts.policy.udp_idle_seconds
        if not flow.is_frozen:
            self._send_waiting(flow)
        while True:
            await trio.lowlevel.wait_readable(sock)
            for _ in range(_TURN):
                try:
                    answer = sock.recv(65536)
                except BlockingIOError:
                    break
                except OSError as error:  # what an ICMP error said to the host
                    self._refusals.failed(*flow.first, error.errno or errno.EHOSTUNREACH)
                    break
                self._return(flow, answer)

    def _send_waiting(self, flow: UdpFlow) -> None:
        waiting, flow.waiting = flow.waiting, []
        if flow.sock is not None:
            for payload in waiting:
                self._send(flow, flow.sock, payload)

    def _return(self, flow: UdpFlow, answer: bytes) -> None:
        flow.down += len(answer)
        self._parts.count("net.bytes_down", flow.target.host, len(answer))
        flow.scope.deadline = trio.current_time() + self._parts.policy.udp_idle_seconds
        self._deliver(flow.peer, flow.agent, answer)

    def _deliver(self, source: Endpoint, destination: Endpoint, payload: bytes) -> None:
        with contextlib.suppress(PacketError):  # IPv6 carries a little more than fits into IPv4
            self._gateway.to_agent(packets.udp(source, destination, payload))

    def _write_down(self, flow: UdpFlow) -> None:
        self._parts.event(
            "flow",
            protocol="udp",
            host=flow.target.host,
            port=flow.target.port,
            address=flow.address,
            up=flow.up,
            down=flow.down,
            how="revoked" if flow.is_revoked else "idle",
        )

    # -------------------------------------------------------------------------------------------------- another epoch

    def freeze(self) -> None:
        """Hold every flow until it was judged again. Never waits."""
        for flow in self._flows.values():
            flow.is_frozen = True

    async def judge_again(self, changed: trio.Event) -> None:
        """Judge every frozen flow again: it goes on, or ends. Stop when `changed` is set: all are frozen once more."""
        for flow in [each for each in self._flows.values() if each.is_frozen]:
            is_allowed = await self._is_allowed(flow.target)
            if changed.is_set():
                return
            flow.is_frozen = False
            if is_allowed:
                self._send_waiting(flow)
            else:
                flow.is_revoked = True
                flow.scope.cancel()


def _connected(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        sock.connect((address, port))
    except OSError:
        sock.close()
        raise
    return sock
