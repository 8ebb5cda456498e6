"""The relay: carries the bytes of open flows between two sockets, in a process of its own.

The bytes never enter this process: they are spliced from one socket through a pipe into the other, a pipe at most for
each direction that has something to carry, so that a slow reader holds what one pipe holds and the sender is slowed
down by its own kernel.

Invariants:
- What one side ended, the other learns: a FIN after the last byte, a reset as a reset.
- Every flow that was taken ends with exactly one report of its bytes; the reports of progress before it only grow.
- It ends, and with it all flows, when the supervisor's line ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator

from gmcp_sandbox.net.passing import receive
from gmcp_sandbox.net.relayline import CLOSE, ENDED, ENDINGS, MOVED, OPEN, OPENING, REPORT

_CHUNK = 1 << 20
"""What a pipe holds, where the host gives pipes of that size."""
_TURN = 4
"""Chunks of one direction in a row."""
_SPARE_PIPES = 16
_MOVE = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
_TICK_SECONDS = 1.0
_REPORT_BYTES = 4 << 20
_RESET = struct.pack("ii", 1, 0)


class _Pipes:
    """Empty pipes, used again and again."""

    def __init__(self) -> None:
        self._spare: list[tuple[int, int]] = []

    def take(self) -> tuple[int, int]:
        if self._spare:
            return self._spare.pop()
        pipe = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        with contextlib.suppress(OSError):  # the user's pipes hold too much already: a small one will do
            fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, _CHUNK)
        return pipe

    def give_back(self, pipe: tuple[int, int], *, is_empty: bool) -> None:
        if is_empty and len(self._spare) < _SPARE_PIPES:
            self._spare.append(pipe)
        else:
            os.close(pipe[0])
            os.close(pipe[1])


class Way:
    """One direction of a flow."""

    __slots__ = ("_pipe", "_pipes", "is_over", "moved", "pending", "sink", "source")

    def __init__(self, source: socket.socket, sink: socket.socket, pipes: _Pipes) -> None:
        self.source = source
        self.sink = sink
        self.moved = 0
        self.pending = 0
        self.is_over = False
        self._pipes = pipes
        self._pipe: tuple[int, int] | None = None

    def advance(self) -> None:
        """Carry what goes without waiting, up to a turn's worth.

        Raises:
            OSError: One of the sides is broken.
        """
        for _ in range(_TURN):
            if self.is_over or not (self._pull() if not self.pending else True) or not self._push():
                break

    def _pull(self) -> bool:
        """Take bytes from the source; return whether there are any."""
        if self._pipe is None:
            self._pipe = self._pipes.take()
        try:
            self.pending = os.splice(self.source.fileno(), self._pipe[1], _CHUNK, flags=_MOVE)
        except BlockingIOError:
            self.release()
            return False
        if not self.pending:
            self.release()
            self.is_over = True
            with contextlib.suppress(OSError):  # the sink has ended by itself: the other way says how
                self.sink.shutdown(socket.SHUT_WR)
        return self.pending > 0

    def _push(self) -> bool:
        """Give bytes to the sink; return whether all of them went."""
        assert self._pipe is not None
        try:
            sent = os.splice(self._pipe[0], self.sink.fileno(), self.pending, flags=_MOVE)
        except BlockingIOError:
            return False
        self.pending -= sent
        self.moved += sent
        return not self.pending

    def release(self) -> None:
        """Give the pipe back."""
        if self._pipe is not None:
            self._pipes.give_back(self._pipe, is_empty=not self.pending)
            self._pipe = None


class Pair:
    """One flow: the agent's socket and the upstream's."""

    __slots__ = ("active", "agent", "down", "idle", "number", "reported", "sockets", "up", "upstream", "watched")

    def __init__(
        self, opening: tuple[int, float], agent: socket.socket, upstream: socket.socket, pipes: _Pipes
    ) -> None:
        self.number, self.idle = opening
        self.agent = agent
        self.upstream = upstream
        self.up = Way(agent, upstream, pipes)
        self.down = Way(upstream, agent, pipes)
        self.sockets = {agent.fileno(): (self.up, self.down), upstream.fileno(): (self.down, self.up)}
        self.watched = dict.fromkeys(self.sockets, 0)
        self.active = time.monotonic()
        self.reported = 0

    @property
    def moved(self) -> int:
        return self.up.moved + self.down.moved

    @property
    def is_over(self) -> bool:
        """True when both directions have ended."""
        return self.up.is_over and self.down.is_over

    def advance(self, fd: int, events: int) -> None:
        """Go on with what happened to one of the sockets.

        Raises:
            OSError: One of the sides is broken.
        """
        outgoing, incoming = self.sockets[fd]
        if events & select.EPOLLOUT and incoming.pending:
            incoming.advance()
        if events & (select.EPOLLIN | select.EPOLLERR | select.EPOLLHUP) and not outgoing.pending:
            outgoing.advance()
        if events & select.EPOLLERR:
            side = self.agent if self.agent.fileno() == fd else self.upstream
            code = side.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))

    def wanted(self) -> Iterator[tuple[int, int]]:
        """Yield for each socket what to wait for."""
        for fd, (outgoing, incoming) in self.sockets.items():
            wants = 0
            if not outgoing.is_over and not outgoing.pending:
                wants |= select.EPOLLIN
            if incoming.pending:
                wants |= select.EPOLLOUT
            yield fd, wants

    def close(self, *, with_reset: bool) -> None:
        """Close both sockets; with a reset, neither side takes what it got for the whole."""
        for way in (self.up, self.down):
            way.release()
        for each in (self.agent, self.upstream):
            if with_reset:
                with contextlib.suppress(OSError):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            each.close()


class Relay:
    """All flows that were handed off, and the line to the supervisor."""

    def __init__(self, line: socket.socket) -> None:
        line.setblocking(False)
        self._line = line
        self._message = bytearray(OPENING.size)
        self._pipes = _Pipes()
        self._pairs: dict[int, Pair] = {}
        self._by_fd: dict[int, Pair] = {}
        self._poller = select.epoll()
        self._unsent: deque[bytes] = deque()
        self._next_tick = time.monotonic() + _TICK_SECONDS

    def run(self) -> None:
        """Carry until the supervisor's line ends."""
        line = self._line.fileno()
        self._poller.register(line, select.EPOLLIN)
        while True:
            for fd, events in self._poller.poll(_TICK_SECONDS):
                if fd != line:
                    self._turn(fd, events)
                elif not self._hear(events):
                    self._end_all()
                    return
            if time.monotonic() >= self._next_tick:
                self._tick()

    def _turn(self, fd: int, events: int) -> None:
        """Let the flow of a socket go on."""
        pair = self._by_fd.get(fd)
        if pair is None:
            return  # closed by an event before this one
        before = pair.moved
        try:
            pair.advance(fd, events)
        except OSError:
            self._end(pair, "reset")
            return
        if pair.is_over:
            self._end(pair, "closed")
            return
        if pair.moved != before:
            pair.active = time.monotonic()
            if pair.moved - pair.reported >= _REPORT_BYTES:
                self._progress(pair)
        self._watch(pair)

    def _watch(self, pair: Pair) -> None:
        for fd, wants in pair.wanted():
            has = pair.watched[fd]
            if wants == has:
                continue
            if not has:
                self._poller.register(fd, wants)
            elif wants:
                self._poller.modify(fd, wants)
            else:
                self._poller.unregister(fd)  # an end of both directions would be told again and again
            pair.watched[fd] = wants

    def _end(self, pair: Pair, how: str) -> None:
        for fd, has in pair.watched.items():
            del self._by_fd[fd]
            if has:
                self._poller.unregister(fd)
        del self._pairs[pair.number]
        pair.close(with_reset=how != "closed")
        self._say(REPORT.pack(ENDED, pair.number, pair.up.moved, pair.down.moved, ENDINGS.index(how)))

    def _end_all(self) -> None:
        """Reset every flow: nobody judges them any more."""
        for pair in self._pairs.values():
            pair.close(with_reset=True)
        self._pairs.clear()
        self._by_fd.clear()
        self._poller.close()

    # ----------------------------------------------------------------------------------------- the supervisor's line

    def _hear(self, events: int) -> bool:
        """Do what the supervisor says; return False when it is gone."""
        if events & select.EPOLLOUT:
            self._flush()
        while True:
            try:
                length, fds = receive(self._line, self._message)
            except BlockingIOError:
                return True
            if length != OPENING.size:
                return False
            word, number, idle = OPENING.unpack(self._message)
            if word == OPEN and len(fds) == 2:
                self._open(number, idle, fds)
            elif word == OPEN:  # no descriptors left
                self._say(REPORT.pack(ENDED, number, 0, 0, ENDINGS.index("reset")))
            elif word == CLOSE and number in self._pairs:
                self._end(self._pairs[number], "revoked")

    def _open(self, number: int, idle: float, fds: tuple[int, ...]) -> None:
        agent, upstream = (socket.socket(fileno=fd) for fd in fds)  # non-blocking: the supervisor has them so
        for each in (agent, upstream):  # it also bounds what the kernel takes before it is sent, which slows us down
            if each.family != socket.AF_UNIX:  # the upstream of a name of ours
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 0)
        pair = Pair((number, idle), agent, upstream, self._pipes)
        self._pairs[number] = pair
        for fd in pair.sockets:
            self._by_fd[fd] = pair
        self._watch(pair)

    def _progress(self, pair: Pair) -> None:
        pair.reported = pair.moved
        if not self._unsent:  # the next report says it as well
            self._say(REPORT.pack(MOVED, pair.number, pair.up.moved, pair.down.moved, 0))

    def _say(self, message: bytes) -> None:
        if not self._unsent:
            try:
                self._line.send(message)
            except BlockingIOError:
                self._poller.modify(self._line.fileno(), select.EPOLLIN | select.EPOLLOUT)
            except ConnectionError:
                return  # met where the line is read
            else:
                return
        self._unsent.append(message)

    def _flush(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while self._unsent:
                self._line.send(self._unsent[0])
                self._unsent.popleft()
            self._poller.modify(self._line.fileno(), select.EPOLLIN)

    def _tick(self) -> None:
        """Tell of what moved, and end what has not for too long."""
        now = time.monotonic()
        self._next_tick = now + _TICK_SECONDS
        for pair in list(self._pairs.values()):
            if now - pair.active > pair.idle:
                self._end(pair, "idle")
            elif pair.moved != pair.reported:
                self._progress(pair)
