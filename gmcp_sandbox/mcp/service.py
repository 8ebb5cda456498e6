"""The gateway as the supervisor sees it: the worker's life, its questions, and what it is given.

Guarantees:
- Whatever the worker says is one of the declared structs, of a bounded length, about a server of the profile, or the
  worker is ended; it then is as if it had crashed.
- A worker that ends takes its clients and its servers with it and nothing else; the next client has a new one, as
  often as `_WORKERS` in `_WORKERS_SECONDS`.
- At most `MOST_QUESTIONS` questions are open; more wait in the line, and the worker with them.
- Every process that was started for a client session is told to end when that session does.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import msgspec
import trio

from gmcp_sandbox.errors import SandboxError
from gmcp_sandbox.mcp.answers import Answer, At, Governing, Pass, Replace
from gmcp_sandbox.mcp.frames import Frames, LineError, send_packet
from gmcp_sandbox.mcp.line import (
    Ask,
    Begun,
    Cannot,
    FromWorker,
    Handed,
    Over,
    Ready,
    Release,
    Setup,
    Told,
    Verdict,
    Want,
)
from gmcp_sandbox.mcp.processes import CannotStart, Processes, Program

MOST_QUESTIONS: Final = 512
_WORKERS: Final = 5
_WORKERS_SECONDS: Final = 60.0
_READY_SECONDS: Final = 60.0


class Event(Protocol):
    """Writes something down that is no decision."""

    def __call__(self, name: str, **fields: str | int | float | bool | None) -> None:
        """Raises AuditError when it is not written."""


Dial = Callable[[str], Awaitable[socket.socket]]
"""Opens a connection to the URL of a server, by name. Raises CannotStart."""


class Gateway:
    """The MCP gateway of one session. Use `run` once.

    Args:
        setup: What a worker is told first.
        worker: The worker's program.
        dial: Opens connections for servers with a URL.
    """

    def __init__(  # noqa: PLR0913 - the parts of a gateway, each said by name
        self, setup: Setup, worker: Program, processes: Processes, judge: Governing, dial: Dial, event: Event
    ) -> None:
        self._setup = setup
        self._program = worker
        self._processes = processes
        self._judge = judge
        self._dial = dial
        self._event = event
        self._waiting: deque[tuple[Handed, tuple[socket.socket, ...]]] = deque()
        self._wanted = trio.Event()
        self._worker: _Worker | None = None

    def connect(self) -> socket.socket:
        """Return our end of a new connection of a client, which speaks HTTP."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.hand_in(Handed("http"), theirs)
        return ours

    def hand_in(self, handed: Handed, *sockets: socket.socket) -> None:
        """Give a client's connection to the worker, when there is one; they are the gateway's from here on."""
        self._waiting.append((handed, sockets))
        self._wanted.set()
        if self._worker is not None:
            self._worker.take(self._waiting)

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            AuditError: A decision could not be recorded.
            HostError: The starter is gone.
        """
        fault: SandboxError | None = None
        try:
            await self._serve()
        except* SandboxError as group:
            fault = _first(group)
        if fault is not None:
            raise fault

    async def _serve(self) -> None:
        started: deque[float] = deque(maxlen=_WORKERS)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._processes.serve)
                while True:
                    if not self._waiting:
                        self._wanted = trio.Event()
                        await self._wanted.wait()
                    if len(started) == _WORKERS and time.monotonic() - started[0] < _WORKERS_SECONDS:
                        await trio.sleep(_WORKERS_SECONDS / _WORKERS)
                    started.append(time.monotonic())
                    await self._run_worker()
        finally:
            self._drop()
            with trio.CancelScope(shield=True):
                await self._processes.close()

    async def _run_worker(self) -> None:
        fault = ""
        try:
            self._worker = _Worker(self, self._setup)
            await self._worker.run(self._program, self._waiting)
        except (LineError, CannotStart) as error:
            fault = str(error)
        finally:
            worker, self._worker = self._worker, None
            if worker is not None:
                worker.close()
        said = await self._processes.last_words(worker.ticket) if worker is not None else ""
        self._event("mcp_worker_ended", why=fault[:2000], said=said[-2000:])
        if worker is None or not worker.was_ready:
            self._drop()

    def _drop(self) -> None:
        """Reset the connections that no worker will take."""
        while self._waiting:
            for sock in self._waiting.popleft()[1]:
                sock.close()


def _first(group: BaseExceptionGroup[SandboxError]) -> SandboxError:
    """Return the first of the faults that a group holds."""
    fault: BaseException = group
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    assert isinstance(fault, SandboxError)
    return fault


class _Worker:
    """One worker's life."""

    def __init__(self, gateway: Gateway, setup: Setup) -> None:
        self._gateway = gateway
        self._setup = setup
        self._servers = {server.name: server for server in setup.servers}
        self._places = trio.Semaphore(MOST_QUESTIONS)
        self._processes = gateway._processes
        self.ticket = 0
        self.is_ready = False
        self.was_ready = False
        self._sessions: dict[int, At] = {}
        self._ways: dict[int, int] = {}
        """Number of a `Want` → ticket of the process."""
        ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._door, self._their_door = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._door.setblocking(False)
        self._frames: Frames[FromWorker] = Frames(ours, FromWorker)

    async def run(self, program: Program, waiting: deque[tuple[Handed, tuple[socket.socket, ...]]]) -> None:
        """Raises LineError, CannotStart, AuditError."""
        self.ticket, _ = await self._processes.start(program, fds=(self._theirs.fileno(), self._their_door.fileno()))
        self._theirs.close()
        self._their_door.close()
        await self._frames.send(self._setup)
        with trio.move_on_after(_READY_SECONDS):
            if not isinstance(await self._frames.receive(), Ready):
                raise LineError("the worker did not get ready")
            self.is_ready = self.was_ready = True
        if not self.is_ready:
            raise LineError(f"the worker did not get ready in {_READY_SECONDS:g} seconds")
        self.take(waiting)
        fault = "the worker has ended"
        async with trio.open_nursery() as nursery:
            try:
                while (frame := await self._frames.receive()) is not None:
                    await self._heed(frame, nursery)
            except LineError as error:
                fault = str(error)
            nursery.cancel_scope.cancel()
        raise LineError(fault)

    def take(self, waiting: deque[tuple[Handed, tuple[socket.socket, ...]]]) -> None:
        """Hand the waiting clients to the worker; those that it does not take any more wait for the next one."""
        while waiting and self.is_ready:
            handed, sockets = waiting[0]
            try:
                send_packet(self._door, handed, tuple(sock.fileno() for sock in sockets))
            except BlockingIOError:
                pass  # so many at once that they are let go
            except OSError:
                self.is_ready = False
                return
            waiting.popleft()
            for sock in sockets:
                sock.close()

    def _hand(self, handed: Handed, fds: tuple[int, ...]) -> None:
        with contextlib.suppress(OSError):  # full or gone: who waits sees the end of the connection
            send_packet(self._door, handed, fds)

    def close(self) -> None:
        """End it, and what was started for it."""
        self._frames.close()
        for sock in (self._door, self._theirs, self._their_door):
            sock.close()
        for ticket in (self.ticket, *self._ways.values()):
            if ticket:
                self._processes.stop(ticket)
        for at in self._sessions.values():
            self._processes.forget(at)
            self._gateway._judge.ended(at)

    # -------------------------------------------------------------------------------------------------- what it says

    async def _heed(self, frame: FromWorker, nursery: trio.Nursery) -> None:
        if isinstance(frame, Ask):
            self._known(frame.at)
            await self._place()
            nursery.start_soon(self._answer, frame)
        elif isinstance(frame, Want):
            self._known(frame.at)
            await self._place()
            nursery.start_soon(self._open, frame)
        elif isinstance(frame, Begun):
            self._begin(frame)
        elif isinstance(frame, Over):
            self._known(frame.at)
            del self._sessions[frame.at.session]
            self._processes.forget(frame.at)
            self._gateway._judge.ended(frame.at)
            self._gateway._event("mcp_session_ended", server=frame.at.server, client=frame.at.session)
        elif isinstance(frame, Release):
            ticket = self._ways.pop(frame.number, 0)
            if ticket:
                self._processes.release(ticket)
        elif isinstance(frame, Told):
            self._gateway._event(frame.name, server=frame.server[:64], what=frame.what[:500])

    async def _place(self) -> None:
        """Take a place among the questions; a turn of the loop is spent only where none is free."""
        try:
            self._places.acquire_nowait()
        except trio.WouldBlock:
            await self._places.acquire()

    def _known(self, at: At) -> None:
        if self._sessions.get(at.session) != at:
            raise LineError("the worker asked for a session that there is not")

    def _begin(self, begun: Begun) -> None:
        if begun.at.server not in self._servers or begun.at.session in self._sessions or len(self._sessions) >= 4096:
            raise LineError("the worker began a session that there cannot be")
        self._sessions[begun.at.session] = begun.at
        self._gateway._event("mcp_session", server=begun.at.server, client=begun.at.session, by=begun.by)

    async def _answer(self, ask: Ask) -> None:
        try:
            answer = await self._judged(ask)
            with contextlib.suppress(LineError):
                await self._frames.send(Verdict(ask.number, answer))
        finally:
            self._places.release()

    async def _judged(self, ask: Ask) -> Answer:
        judge, params = self._gateway._judge, bytes(ask.params)
        if ask.subject == "notice":
            return await judge.notice(ask.at, ask.way, ask.method, params)
        if ask.subject == "request":
            answer = await judge.request(ask.at, ask.method, params)
            return self._with_deadline(ask, answer)
        if ask.subject == "reverse":
            return await judge.reverse(ask.at, ask.method, params)
        payload = bytes(ask.payload)
        if ask.subject == "result":
            return await judge.result(ask.at, ask.method, params, payload)
        if ask.subject == "failure":
            return await judge.failure(ask.at, ask.method, params, payload)
        return await judge.reverse_result(ask.at, ask.method, params, payload)

    def _with_deadline(self, ask: Ask, answer: Answer) -> Answer:
        if ask.method != "tools/call" or not isinstance(answer, Pass | Replace):
            return answer
        name = msgspec.json.decode(ask.params).get("name")
        seconds = self._gateway._judge.deadline(ask.at.server, name if type(name) is str else None)
        return msgspec.structs.replace(answer, seconds=seconds)

    async def _open(self, want: Want) -> None:
        try:
            server = self._servers[want.at.server]
            if server.url is not None:
                sock = await self._gateway._dial(server.name)
                with sock:
                    self._hand(Handed("socket", want.number), (sock.fileno(),))
                return
            ticket, pipes = await self._processes.start_server(want.at)
            self._ways[want.number] = ticket
            self._hand(Handed("pipes", want.number), pipes)
            for fd in pipes:
                os.close(fd)
        except CannotStart as error:
            with contextlib.suppress(LineError):
                await self._frames.send(Cannot(want.number, str(error)))
        finally:
            self._places.release()
