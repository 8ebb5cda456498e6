"""The supervisor's end of the starter: programs are started and ended, and how each ended is written down.

Invariant: a stdio server is started for a client session at most 1 + `restarts` times, each time after a longer wait.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec
import trio

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.mcp.answers import At
from gmcp_sandbox.mcp.frames import receive_packet, send_packet
from gmcp_sandbox.mcp.starter import PACKET, Exited, Report, Start, Started, Stop

_GRACE: Final = 2.0
"""Seconds in which a server may end by itself when its input has ended."""
_FIRST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 8.0
_LAST_SECONDS: Final = 4.0
_decode = msgspec.json.Decoder(Report).decode


class CannotStart(Exception):
    """A program or a connection that there cannot be; the text says why, to the agent as well."""


class Program(msgspec.Struct, frozen=True):
    """How a server is started."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    restarts: int = 0
    is_guest: bool = False
    """The directory was made for it, is empty, and goes with the session."""


class Event(Protocol):
    """Writes something down that is no decision."""

    def __call__(self, name: str, **fields: Any) -> None:
        """Raises AuditError when it is not written."""


class _Running:
    def __init__(self, name: str) -> None:
        self.name = name
        self.started = trio.Event()
        self.ended = trio.Event()
        self.pipes: tuple[int, ...] = ()
        self.said = ""


class Processes:
    """All programs of a session. Use `serve` once."""

    def __init__(self, line: socket.socket, programs: Mapping[str, Program], event: Event) -> None:
        line.setblocking(False)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PACKET)
        self._line = line
        self._programs = programs
        self._event = event
        self._running: dict[int, _Running] = {}
        self._starts: dict[At, int] = {}
        self._last = 0
        self._nursery: trio.Nursery | None = None

    async def serve(self) -> None:
        """Serve until cancelled. Raises HostError when the starter is gone, AuditError."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            while True:
                await trio.lowlevel.wait_readable(self._line)
                data, fds = receive_packet(self._line, PACKET)
                if not data:
                    raise HostError("the process that starts MCP servers is gone", hint="please report this")
                self._heed(_decode(data), fds)

    def _heed(self, report: Report, fds: tuple[int, ...]) -> None:
        running = self._running.get(report.ticket)
        if running is None:
            for fd in fds:
                os.close(fd)
        elif isinstance(report, Started):
            running.pipes = fds
            running.started.set()
        else:
            self._ended(report, running)

    def _ended(self, report: Exited, running: _Running) -> None:
        del self._running[report.ticket]
        running.started.set()
        running.ended.set()
        running.said = report.said
        if running.name:
            code = os.waitstatus_to_exitcode(report.status)
            self._event("mcp_server_ended", server=running.name, status=code, said=report.said[-1000:])

    async def start(
        self, program: Program, *, fds: tuple[int, ...] = (), name: str = ""
    ) -> tuple[int, tuple[int, ...]]:
        """Start a program; return its ticket and, for a server, the pipes to it and from it. Raises CannotStart."""
        self._last = ticket = self._last + 1
        running = self._running[ticket] = _Running(name)
        order = Start(ticket, program.argv, dict(program.environment), program.directory, bool(name))
        try:
            send_packet(self._line, order, fds)
        except OSError as error:
            del self._running[ticket]
            raise CannotStart(f"it cannot be started: {error.strerror}") from None
        await running.started.wait()
        return ticket, running.pipes

    async def start_server(self, at: At) -> tuple[int, tuple[int, ...]]:
        """Start the server of a client session, again if need be. Raises CannotStart."""
        program = self._programs[at.server]
        count = self._starts.get(at, 0)
        if count > program.restarts:
            raise CannotStart(f"it has ended {count} times and is not started again")
        self._starts[at] = count + 1
        if count:
            await trio.sleep(min(_FIRST_WAIT * 2**count, _LONGEST_WAIT))
        started = await self.start(program, name=at.server)
        self._event("mcp_server", server=at.server, client=at.session, start=count + 1)
        return started

    def forget(self, at: At) -> None:
        """That client session is over."""
        self._starts.pop(at, None)

    def release(self, ticket: int) -> None:
        """Let a server end, whose pipes are closed; then end it."""
        running = self._running.get(ticket)
        if running is not None and self._nursery is not None:
            self._nursery.start_soon(self._see_off, ticket, running)

    async def _see_off(self, ticket: int, running: _Running) -> None:
        with trio.move_on_after(_GRACE):
            await running.ended.wait()
        self.stop(ticket)

    def stop(self, ticket: int) -> None:
        """End a program."""
        if ticket in self._running:
            try:
                send_packet(self._line, Stop(ticket))
            except OSError:
                pass  # then the starter is gone, and its programs with it

    async def last_words(self, ticket: int) -> str:
        """Wait for the end of a program that was stopped; return what it said on its standard error."""
        running = self._running.get(ticket)
        if running is None:
            return ""
        with trio.move_on_after(_LAST_SECONDS):
            await running.ended.wait()
        return running.said

    async def close(self) -> None:
        """End all programs, and the starter."""
        self._line.shutdown(socket.SHUT_WR)
        with trio.move_on_after(_LAST_SECONDS):
            while True:
                await trio.lowlevel.wait_readable(self._line)
                data, fds = receive_packet(self._line, PACKET)
                if not data:
                    break
                for fd in fds:
                    os.close(fd)
                report = _decode(data)
                running = self._running.get(report.ticket)
                if isinstance(report, Exited) and running is not None:
                    self._ended(report, running)
        self._line.close()
        for program in self._programs.values():
            if program.is_guest:
                with contextlib.suppress(OSError):
                    os.rmdir(program.directory)
