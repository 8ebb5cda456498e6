"""The pump: carries packets between the agent's device and the gateway's, in a process of its own.

    agent's device ── plain TCP that is no SYN ──► gateway's device
                   └─ everything else ──► supervisor, which judges, answers, or gives a SYN back to be let in
    gateway's device ── TCP to the agent ──► agent's device

Invariants:
- A connection begins only with a SYN that the supervisor let in: no SYN, fragment, packet with IP options or extension
  headers, and no packet with another source than the agent's passes by itself. What passes can belong to a connection
  that was let in, or is answered with a reset by the gateway's kernel.
- It keeps nothing of what it carries, and waits for nobody: where the supervisor has too much to do, packets are
  dropped and counted, as a network does.
- It ends when the supervisor's line ends.

Where the kernel carries what may cross (net/crossing.py), it has little to do: listeners, and what a program sends by
binding itself to the TUN.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Callable

from gmcp_sandbox.net.addressing import AGENT_V4_PACKED, AGENT_V6_PACKED
from gmcp_sandbox.net.pumpline import CROSSED, DROPPED, JUDGE, LISTEN, LISTENING, MESSAGE_BYTES, TO_AGENT, TO_GATEWAY
from gmcp_sandbox.net.tun import FRAME_BYTES, HEADER_BYTES

_TURN = 32
"""Packets of one device in a row."""
_QUESTIONS = 100
"""About 100 µs."""
_BACKLOG = 512
_IP = HEADER_BYTES
_TCP = socket.IPPROTO_TCP
_SYN_ACK, _SYN = 0x12, 0x02
_ONLY_DF = 0xBF  # of the byte with the IPv4 flags: everything but "don't fragment"

Frame = bytearray | memoryview | bytes


def may_cross(frame: Frame, length: int) -> bool:
    """True for a TCP packet of the agent's that opens nothing: it goes to the gateway unseen by the supervisor."""
    if length < _IP + 40:
        return False
    first = frame[_IP]
    if first == 0x45:  # version 4, no options
        return (
            frame[_IP + 9] == _TCP
            and not frame[_IP + 6] & _ONLY_DF
            and not frame[_IP + 7]
            and frame[_IP + 12 : _IP + 16] == AGENT_V4_PACKED
            and frame[_IP + 33] & _SYN_ACK != _SYN
        )
    return (
        first >> 4 == 6
        and length >= _IP + 60
        and frame[_IP + 6] == _TCP  # no extension header
        and frame[_IP + 8 : _IP + 24] == AGENT_V6_PACKED
        and frame[_IP + 53] & _SYN_ACK != _SYN
    )


def may_return(frame: Frame, length: int) -> bool:
    """True for a TCP packet to the agent, which is all that the gateway's kernel has to say."""
    if length < _IP + 40:
        return False
    if frame[_IP] >> 4 == 4:
        return frame[_IP + 9] == _TCP and frame[_IP + 16 : _IP + 20] == AGENT_V4_PACKED
    return frame[_IP + 6] == _TCP and frame[_IP + 24 : _IP + 40] == AGENT_V6_PACKED


class Pump:
    """Two devices and a line to the supervisor, all non-blocking."""

    def __init__(self, agent: int, gateway: int, is_crossed: bool, *, line: socket.socket) -> None:
        self._agent = agent
        self._gateway = gateway
        self._is_crossed = is_crossed
        self._line = line
        self._buffer = bytearray(FRAME_BYTES)
        self._view = memoryview(self._buffer)
        self._message = bytearray(MESSAGE_BYTES)
        self._dropped = 0
        self._poller = select.epoll()
        self._is_eager = False
        self._questions = range(_QUESTIONS if len(os.sched_getaffinity(0)) > 1 else 0)

    def run(self) -> None:
        """Carry until the supervisor's line ends."""
        turns: dict[int, Callable[[], bool]] = {
            self._agent: self._from_agent,
            self._line.fileno(): self._from_supervisor,
        }
        if self._is_crossed:  # what is to be judged comes out of the gateway's device, and the supervisor reads it
            socket.send_fds(self._line, [bytes((CROSSED,))], [self._agent, self._gateway])
        else:
            turns[self._gateway] = self._from_gateway
        for fd in turns:
            self._poller.register(fd, select.EPOLLIN)
        while all(turns[fd]() for fd, _ in self._next()):
            pass

    def _next(self) -> list[tuple[int, int]]:
        """Wait for the next events; right after a word with the supervisor, first ask for them again and again.

        It bridges the moment that a decision takes: an agent that connects waits for two of our wake-ups less.
        """
        poll = self._poller.poll
        if self._is_eager:
            self._is_eager = False
            for _ in self._questions:
                if found := poll(0):
                    return found
        return poll()

    def _from_agent(self) -> bool:
        agent, gateway, buffer, view = self._agent, self._gateway, self._buffer, self._view
        into = (buffer,)
        for _ in range(_TURN):
            try:
                length = os.readv(agent, into)
            except BlockingIOError:
                break
            if may_cross(buffer, length):
                _write(gateway, view[:length])
            else:
                self._hand_up(length)
        return True

    def _from_gateway(self) -> bool:
        agent, gateway, buffer, view = self._agent, self._gateway, self._buffer, self._view
        into = (buffer,)
        for _ in range(_TURN):
            try:
                length = os.readv(gateway, into)
            except BlockingIOError:
                break
            if may_return(buffer, length):
                _write(agent, view[:length])
        return True

    def _hand_up(self, length: int) -> None:
        self._is_eager = True
        try:
            if self._dropped:
                self._line.send(bytes((DROPPED,)) + self._dropped.to_bytes(8, "big"), socket.MSG_DONTWAIT)
                self._dropped = 0
            self._line.sendmsg((bytes((JUDGE,)), self._view[:length]), (), socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._dropped += 1
        except ConnectionError:
            pass  # the end of the line is met where it is read

    def _from_supervisor(self) -> bool:
        """Do what the supervisor says; return False when it is gone."""
        for _ in range(_TURN):
            try:
                length = self._line.recv_into(self._message, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            except ConnectionError:
                return False
            if not length:
                return False
            self._is_eager = True
            message = memoryview(self._message)[:length]
            self._obey(bytes(message[:1]), message[1:])
        return True

    def _obey(self, word: bytes, rest: memoryview) -> None:
        if word == TO_AGENT:
            _write(self._agent, rest)
        elif word == TO_GATEWAY:
            self._let_in(rest)
        elif word == LISTEN:
            self._listen(rest[:2])
            self._let_in(rest[2:])

    def _let_in(self, frame: memoryview) -> None:
        """Give a SYN to the gateway's kernel, which has answered it when the write returns."""
        _write(self._gateway, frame)
        if not self._is_crossed:
            self._from_gateway()

    def _listen(self, port: memoryview) -> None:
        """Make a listener for both families, and hand it up. It is not kept here: closed there, it is closed."""
        try:
            listener = listen(int.from_bytes(port, "big"))
        except OSError:
            return  # taken already, or no descriptors left: the SYN behind it is answered with a reset
        with listener, contextlib.suppress(OSError):
            socket.send_fds(self._line, [bytes((LISTENING,)) + port], [listener.fileno()], socket.MSG_DONTWAIT)


def listen(port: int) -> socket.socket:
    """Return a listener on every address of the namespace, of both families where there are two."""
    try:
        listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        everywhere = "::"
    except OSError:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        everywhere = "0.0.0.0"
    try:
        if everywhere == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # A new listener while connections of an earlier one on the port go on (socket(7)).
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((everywhere, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _write(device: int, frame: memoryview) -> None:
    """Write a frame; one that the kernel does not take is dropped, as on any link."""
    try:
        os.write(device, frame)
    except OSError:  # not suppress(): this is every packet's way
        pass
