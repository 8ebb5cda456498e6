"""The network of one session: everything that pump and relay hand up is dispatched here.

Every packet that is handed up is one of: a SYN (`Connector`), a datagram (`Datagrams`), a ping (`Echoes`), noise of the
agent's own kernel, or something that nobody may send (`Oddities`).

Invariant: a packet that cannot be read, is a fragment, has options, or another source than the agent's reaches none of
the parts that act on packets.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from typing import Final

import trio

from gmcp_sandbox.errors import AuditError, HostError
from gmcp_sandbox.net.addressing import AGENT_ADDRESSES
from gmcp_sandbox.net.carrier import Carrier
from gmcp_sandbox.net.connector import Connector
from gmcp_sandbox.net.datagrams import Datagrams
from gmcp_sandbox.net.echoes import Echoes
from gmcp_sandbox.net.gateway import Gateway
from gmcp_sandbox.net.oddities import UNREADABLE, Oddities
from gmcp_sandbox.net.openflows import OpenFlows
from gmcp_sandbox.net.packets import ICMP6, Packet, PacketError, parse
from gmcp_sandbox.net.parts import Parts
from gmcp_sandbox.net.refusals import Refusals
from gmcp_sandbox.net.tun import HEADER_BYTES
from gmcp_sandbox.policy.network import Network as Policy

_IGMP: Final = 2
_NEIGHBOURS: Final = frozenset({*range(130, 138), 143})
"""ICMPv6 messages by which a kernel speaks to its own link (RFC 4861, RFC 3810)."""


class Network:
    """The assembled network. Use `run` once.

    Args:
        pump, relay: Our ends of the lines to the two processes.
    """

    def __init__(self, parts: Parts, pump: socket.socket, relay: socket.socket) -> None:
        self._parts = parts
        self._gateway = Gateway(pump)
        self._carrier = Carrier(relay)
        self._oddities = Oddities(parts.mediator)
        self._refusals = Refusals(self._gateway, parts.policy.denial)
        self._connector = Connector(
            parts, self._gateway, self._refusals, self._oddities, OpenFlows(parts, self._carrier)
        )
        self._datagrams = Datagrams(parts, self._gateway, self._refusals, self._oddities)
        self._echoes = Echoes(parts, self._gateway, self._refusals, self._oddities)
        self._changed = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._fault: HostError | None = None

    @property
    def urgent(self) -> tuple[int, ...]:
        """Descriptors that packets to judge come by: the agent's program stands still until they are answered."""
        return (self._gateway.fileno(),)

    @property
    def flows(self) -> int:
        """How many flows there are: TCP, those that are not answered yet included, and UDP."""
        return self._connector.count() + self._datagrams.count()

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            HostError: Pump or relay is gone.
        """
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._parts.beside)
                nursery.start_soon(self._connector.run)
                nursery.start_soon(self._datagrams.run)
                nursery.start_soon(self._judge_again)
                nursery.start_soon(self._oddities.serve)
                nursery.start_soon(self._while_there, self._carrier.serve)
                nursery.start_soon(self._while_there, partial(self._gateway.serve, self))
        finally:
            self._gateway.close()
            self._carrier.close()
            self._oddities.report(self._parts.event)
        if self._fault is not None:
            raise self._fault

    async def _while_there(self, serve: Callable[[], Awaitable[None]]) -> None:
        """Serve a line; when its process is gone, end everything."""
        try:
            await serve()
        except HostError as fault:
            self._fault = fault
            assert self._nursery is not None
            self._nursery.cancel_scope.cancel()

    # ------------------------------------------------------------------------------------------- what the pump hands up

    def listener(self, sock: socket.socket, port: int) -> None:
        """A listening socket in the gateway's namespace."""
        self._connector.listener(sock, port)

    def lost(self, count: int) -> None:
        """Packets were dropped because we had too much to do."""
        self._oddities.count("dropped under load", count)

    def packet(self, frame: bytes) -> None:
        """A packet of the agent's, in its frame, that may not cross by itself."""
        data = frame[HEADER_BYTES:]
        try:
            packet = parse(data)
        except PacketError as error:
            self._oddities.note(f"malformed: {error}", UNREADABLE)
            return
        if _is_noise(packet):
            self._oddities.count("noise of the agent's kernel")
        elif fault := _fault(packet):
            self._oddities.note(fault, packet.destination)
        else:
            self._dispatch(packet, frame, data)

    def _dispatch(self, packet: Packet, frame: bytes, data: bytes) -> None:
        assert self._nursery is not None
        if packet.options or _is_multicast(packet.destination):
            self._oddities.note("ip options" if packet.options else "multicast", packet.destination)
            self._refusals.denied(packet, data)
        elif packet.tcp is not None:
            self._connector.syn(packet, frame)
        elif packet.udp is not None:
            self._datagrams.receive(packet, data)
        elif packet.icmp is not None and packet.icmp.is_echo_request(packet.version):
            self._echoes.receive(packet, data, self._nursery)
        else:
            self._oddities.note(f"protocol {packet.protocol}", packet.destination)
            self._refusals.denied(packet, data)

    # -------------------------------------------------------------------------------------------------- another epoch

    def adopt(self, policy: Policy) -> None:
        """Go by other rules about hosts from the next decision on. Whoever calls it begins a new epoch right after."""
        self._parts.adopt(policy)

    def reconsider(self) -> None:
        """The policy's state has changed. From the moment that this returns, nothing that the agent sends is taken in
        for a flow that was not judged again. Never waits.
        """
        self._connector.freeze()
        self._datagrams.freeze()
        self._echoes.freeze()
        self._changed.set()

    async def _judge_again(self) -> None:
        while True:
            await self._changed.wait()
            self._changed = trio.Event()
            try:
                await self._connector.judge_again(self._changed)
                await self._datagrams.judge_again(self._changed)
            except AuditError:
                return  # they stay frozen; the monitor ends the session


def _fault(packet: Packet) -> str | None:
    """Say what is wrong with a packet, whatever it carries."""
    if packet.source not in AGENT_ADDRESSES:
        return "spoofed source"
    return "fragment" if packet.fragment else None


def _is_noise(packet: Packet) -> bool:
    """True for what the agent's kernel says to its link by itself: group memberships, neighbours."""
    if packet.version == 4:
        return packet.protocol == _IGMP
    return (
        packet.protocol == ICMP6
        and packet.icmp is not None
        and packet.icmp.type in _NEIGHBOURS
        and packet.destination.startswith("ff0")
    )


@lru_cache(1024)
def _is_multicast(address: str) -> bool:
    """True for addresses that are not one host's: multicast, broadcast, unspecified."""
    parsed = ipaddress.ip_address(address)
    return parsed.is_multicast or parsed.is_unspecified or address == "255.255.255.255"
