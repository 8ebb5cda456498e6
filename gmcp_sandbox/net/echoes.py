"""ICMP echo: each is a judged call, sent by a socket of the host that needs no right, and answered with its answer.

The host decides who may open such sockets (icmp(7), ping_group_range); where nobody may, an allowed echo finds the
network unreachable, and the record says why. What echoes carry counts as bytes of their host, as it does in any flow.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from typing import Final

import trio

from gmcp_sandbox.calls.arguments import NetSend
from gmcp_sandbox.calls.labels import NETWORK
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.errors import AuditError
from gmcp_sandbox.net import packets
from gmcp_sandbox.net.gateway import Gateway
from gmcp_sandbox.net.oddities import Oddities
from gmcp_sandbox.net.packets import Control, Packet, PacketError
from gmcp_sandbox.net.parts import Parts
from gmcp_sandbox.net.refusals import Refusals
from gmcp_sandbox.net.types import DialError

_SECONDS: Final = 10.0
_MOST: Final = 32
_ECHO = struct.Struct("!BBHHH")
_REQUESTS: Final = {socket.AF_INET: 8, socket.AF_INET6: 128}


class Echoes:
    """All pings of a session that wait for an answer."""

    def __init__(self, parts: Parts, gateway: Gateway, refusals: Refusals, oddities: Oddities) -> None:
        self._parts = parts
        self._gateway = gateway
        self._refusals = refusals
        self._oddities = oddities
        self._waiting: set[trio.CancelScope] = set()

    def receive(self, packet: Packet, data: bytes, nursery: trio.Nursery) -> None:
        """Take a ping of the agent's: never waits."""
        if len(self._waiting) >= _MOST:
            self._oddities.count("pings at their limit")
            return
        scope = trio.CancelScope()
        self._waiting.add(scope)
        nursery.start_soon(self._live, packet, data, scope)

    def freeze(self) -> None:
        """Drop those that wait: the policy's state has changed since they were allowed."""
        for scope in self._waiting:
            scope.cancel()

    async def _live(self, packet: Packet, data: bytes, scope: trio.CancelScope) -> None:
        scope.deadline = trio.current_time() + _SECONDS
        host = self._parts.target(packet.destination, 0).host
        try:
            with scope:
                await self._ask(host, packet, data)
        except AuditError:
            pass  # no record, no effect; the monitor ends the session
        except DialError as error:
            self._fail(host, packet, data, error)
        except OSError as error:
            self._fail(host, packet, data, _as_dial_error(error))
        finally:
            self._waiting.discard(scope)

    async def _ask(self, host: str, packet: Packet, data: bytes) -> None:
        mediator = self._parts.mediator
        call = mediator.call(Tool.NET_SEND, host, NetSend("icmp"), label=NETWORK)
        if not (await mediator.mediate(call)).is_allowed:
            self._refusals.failed(packet, data, errno.EACCES)
            return
        assert packet.icmp is not None
        address = await self._parts.locator.locate(self._parts.target(packet.destination, 0))
        with _socket_to(address) as sock:
            self._parts.count("net.bytes_up", host, len(packet.icmp.payload))
            answer = await _ping(sock, packet.icmp)
        self._parts.count("net.bytes_down", host, len(answer))
        with contextlib.suppress(PacketError):  # longer than a packet of the other family can carry
            self._gateway.to_agent(packets.echo_reply(packet, answer))

    def _fail(self, host: str, packet: Packet, data: bytes, error: DialError) -> None:
        self._parts.event("dial_failed", host=host, protocol="icmp", errno=error.errno, why=error.reason)
        self._refusals.failed(packet, data, error.errno)


def _as_dial_error(error: OSError) -> DialError:
    if error.errno in (errno.EACCES, errno.EPERM):
        return DialError(errno.ENETUNREACH, "ping_not_permitted")
    return DialError(errno.EHOSTUNREACH, "unreachable")


def _socket_to(address: str) -> socket.socket:
    """Return a socket for echoes to one address. Raises OSError where this user may have none."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
    try:
        sock.connect((address, 0))
    except OSError:
        sock.close()
        raise
    return sock


async def _ping(sock: socket.socket, asked: Control) -> bytes:
    """Send the echo on; return what its answer carries. Raises OSError when it cannot be sent, or cannot arrive."""
    # The kernel puts an identifier of its own and the checksum in (icmp(7)).
    sock.send(_ECHO.pack(_REQUESTS[sock.family], 0, 0, 0, asked.sequence) + asked.payload)
    while True:
        await trio.lowlevel.wait_readable(sock)
        answer = sock.recv(65536)
        if len(answer) >= _ECHO.size and _ECHO.unpack_from(answer)[4] == asked.sequence:
            return answer[_ECHO.size :]
