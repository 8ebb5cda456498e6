"""The process that starts MCP servers and the gateway's worker, so that the supervisor never forks while it serves.

It is forked from the supervisor before that has a thread or a descriptor of the file system, holds its line and nothing
else, and obeys the supervisor alone; no byte of an agent or a server comes here, but for what a server writes to its
standard error, of which the last `_KEPT` bytes are kept unread.

Invariants:
- A program is started with the descriptors, the environment and the directory that it is given, and no others.
- What was started ends with this process, and this process with the supervisor.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from typing import Final, NoReturn

import msgspec

from gmcp_sandbox import kernel
from gmcp_sandbox.mcp.frames import receive_packet, send_packet

PACKET: Final = 192 << 10
"""Longest order: arguments and environment of a program."""
_KEPT: Final = 8 << 10
_NOT_OURS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PATIENCE: Final = 3.0
"""Seconds between the word to end and the end."""


class Start(msgspec.Struct, frozen=True, tag="start"):
    """Start a program. Answered by `Started`, in time by `Exited`.

    Attributes:
        speaks: Pipes for its standard input and output are made and handed back; else the two lead nowhere. What comes
            with the order has the numbers 3, 4, … in the program.
    """

    ticket: int
    argv: tuple[str, ...]
    environment: dict[str, str]
    directory: str
    speaks: bool


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """End a program: politely, then not."""

    ticket: int


class Started(msgspec.Struct, frozen=True, tag="started"):
    """With the pipes to a program's input and from its output; without them, why it could not be started."""

    ticket: int
    fault: str = ""


class Exited(msgspec.Struct, frozen=True, tag="exited"):
    """A program has ended.

    Attributes:
        status: As waitpid(2) gives it.
        said: The end of what it wrote to its standard error.
    """

    ticket: int
    status: int
    said: str


Order = Start | Stop
Report = Started | Exited
_decode = msgspec.json.Decoder(Order).decode


def fork_starter(before: Callable[[], None]) -> socket.socket:
    """Fork it; return our end of the line.

    Args:
        before: What the new process, and each program, does first of all: die with its parent.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        _be_starter(theirs, before)
    theirs.close()
    return ours


def _be_starter(line: socket.socket, before: Callable[[], None]) -> NoReturn:
    try:
        before()
        nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for number in (0, 1, 2):
            os.dup2(nowhere, number)
        kept = line.fileno()
        kernel.close_range(3, kept - 1) if kept > 3 else None
        kernel.close_range(kept + 1)
        os.setsid()  # signals of the terminal are for the supervisor, which then ends the line
        signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_OURS)  # not ignored: one that comes for a child would be lost
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PACKET)
        Starter(line, before).run()
    finally:
        os._exit(0)


class _Child:
    """One program."""

    def __init__(self, ticket: int, pid: int, errors: int) -> None:
        self.ticket = ticket
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.errors = errors
        self.said = b""
        self.kill_at: float | None = None

    def hear(self) -> bool:
        """Take what it writes; False when there is no more."""
        try:
            part = os.read(self.errors, 65536)
        except BlockingIOError:
            return True
        self.said = (self.said + part)[-_KEPT:]
        return bool(part)

    def signal(self, number: int) -> None:
        """Signal the program and what it has started in its process group."""
        for reach in (os.killpg, os.kill):  # the group, unless it has not made one yet
            with contextlib.suppress(ProcessLookupError, PermissionError):
                reach(self.pid, number)
                return


class Starter:
    """Serves orders until the line ends."""

    def __init__(self, line: socket.socket, before: Callable[[], None]) -> None:
        self._line = line
        self._before = before
        self._children: dict[int, _Child] = {}
        self._poll = select.epoll()
        self._waits: dict[int, Callable[[], None]] = {}

    def run(self) -> None:
        """Serve; at the end of the line, end everything."""
        self._watch(self._line.fileno(), self._obey)
        self._is_open = True
        while self._is_open:
            self._turn(None)
        for child in list(self._children.values()):
            self._stop(child)
        deadline = time.monotonic() + _PATIENCE + 1
        while self._children and time.monotonic() < deadline:
            self._turn(deadline)

    def _turn(self, until: float | None) -> None:
        ends = [child.kill_at for child in self._children.values() if child.kill_at is not None]
        ends += [until] if until is not None else []
        wait = max(0.0, min(ends) - time.monotonic()) if ends else -1
        for fd, _what in self._poll.poll(wait):
            react = self._waits.get(fd)
            if react is not None:  # else it ended a moment ago, in this very turn
                react()
        for child in self._children.values():
            if child.kill_at is not None and child.kill_at <= time.monotonic():
                child.kill_at = None
                child.signal(signal.SIGKILL)

    def _watch(self, fd: int, react: Callable[[], None]) -> None:
        self._poll.register(fd, select.EPOLLIN)
        self._waits[fd] = react

    def _forget(self, fd: int) -> None:
        if self._waits.pop(fd, None) is not None:
            self._poll.unregister(fd)
            os.close(fd)

    # --------------------------------------------------------------------------------------------------------- orders

    def _obey(self) -> None:
        data, fds = receive_packet(self._line, PACKET)
        if not data:
            self._is_open = False
            self._poll.unregister(self._line.fileno())
            return
        order = _decode(data)
        if isinstance(order, Stop):
            child = self._children.get(order.ticket)
            if child is not None:
                self._stop(child)
        else:
            self._start(order, fds)
        for fd in fds:
            os.close(fd)

    def _stop(self, child: _Child) -> None:
        if child.kill_at is None:
            child.kill_at = time.monotonic() + _PATIENCE
            child.signal(signal.SIGTERM)

    def _start(self, order: Start, fds: tuple[int, ...]) -> None:
        child_in, our_in = os.pipe2(os.O_CLOEXEC)
        our_out, child_out = os.pipe2(os.O_CLOEXEC)
        errors, child_errors = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            streams = (child_in, child_out, child_errors) if order.speaks else (None, None, child_errors)
            self._be_program(order, streams, fds)
        for fd in (child_in, child_out, child_errors):
            os.close(fd)
        os.set_blocking(errors, False)
        child = self._children[order.ticket] = _Child(order.ticket, pid, errors)
        self._watch(errors, lambda: None if child.hear() else self._forget(errors))
        self._watch(child.pidfd, lambda: self._ended(child))
        self._tell(Started(order.ticket), (our_in, our_out) if order.speaks else ())
        os.close(our_in)
        os.close(our_out)

    def _be_program(self, order: Start, streams: tuple[int | None, int | None, int], fds: tuple[int, ...]) -> NoReturn:
        try:
            os.setsid()  # its children end with it
            for number in _NOT_OURS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _NOT_OURS)
            self._before()
            _arrange(streams, fds)
            os.chdir(order.directory)
            os.execvpe(order.argv[0], order.argv, order.environment)
        except OSError as error:
            os.write(2, f"cannot start {order.argv[0]}: {error.strerror}\n".encode())
        finally:
            os._exit(127)

    def _ended(self, child: _Child) -> None:
        _, status = os.waitpid(child.pid, 0)
        del self._children[child.ticket]
        self._forget(child.pidfd)
        if child.errors in self._waits:
            child.hear()
            self._forget(child.errors)
        self._tell(Exited(child.ticket, status, child.said.decode("utf-8", "replace")))

    def _tell(self, report: Report, fds: tuple[int, ...] = ()) -> None:
        with contextlib.suppress(OSError):  # the supervisor is gone; so are we, in a moment
            send_packet(self._line, report, fds)


def _arrange(streams: tuple[int | None, int | None, int], fds: tuple[int, ...]) -> None:
    """Give descriptors the numbers that the program expects, and close all others on exec."""
    first = 64  # above all numbers that are given out below
    high = [None if fd is None else os.dup2(fd, first + place) for place, fd in enumerate((*streams, *fds))]
    for place, fd in enumerate(high):
        if fd is not None:
            os.dup2(fd, place, inheritable=True)
    for fd in filter(None, high):
        os.close(fd)
