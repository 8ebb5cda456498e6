"""The quick way of plain HTTP: requests without a body and whole small answers, of all flows in one turn of the loop.

A flow's task leads it here between two exchanges, and waits. What comes in on one of its two sockets is served without
a task: a request is read, judged, recorded, and sent on; its answer, when it has come whole, is written anew and sent
back. Whatever is not that simple goes back to the task, with every byte that was not passed on in its side's buffer,
and is served there as before: a body, an upgrade, a pipelined request, a malformed one, a denial, a question to a gate
or a person, an answer in pieces or one that may give orders to a model, a peer that does not read.

Invariants:
- No request is sent on that was not allowed and recorded; none is asked for twice.
- A byte is either passed on and counted, or in its side's buffer, or still in the kernel.
- A flow is served here only while its task waits for it; when the task is cancelled, it is forgotten at once.

One watcher for all sockets, which stay registered: a wait of the event loop costs as much as all the rest.
"""

from __future__ import annotations

import contextlib
import select
from typing import Final, NamedTuple

import trio

from gmcp_sandbox.net.head import HeadError
from gmcp_sandbox.net.pages import Pages
from gmcp_sandbox.net.questions import Asked, Questions
from gmcp_sandbox.net.requests import Reader, Request, Writer
from gmcp_sandbox.net.responses import Answers
from gmcp_sandbox.net.side import Side, SideIdle

_TURN: Final = 8
"""Rounds of the watcher before other tasks get their turn."""
_EVENTS: Final = 256
_HEAD_END: Final = b"\r\n\r\n"


class Over(NamedTuple):
    """One side has hung up, or the server says something that nobody asked for."""


class Other(NamedTuple):
    """What has come is for the task: it is in the agent's buffer."""


class Begun(NamedTuple):
    """A request was allowed and sent on, but for what is left of it; its answer is due."""

    request: Request
    left: bytes


class Answered(NamedTuple):
    """An exchange is over but for the rest of the answer."""

    left: bytes


class Judged(NamedTuple):
    """A request that was denied, or that somebody has to answer for; it was taken off the buffer."""

    request: Request
    asked: Asked | None


Ending = Over | Other | Begun | Answered | Judged


class Simple:
    """The simple exchanges of one flow. Never waits."""

    def __init__(
        self,
        questions: Questions,
        sides: tuple[Side, Side],
        heads: tuple[Reader, Writer],
        host: bytes,
        pages: Pages | None = None,
    ) -> None:
        self.agent, self.upstream = sides
        self._reader, self._writer = heads
        self._answers = Answers()
        self._questions = questions
        self._host = host
        self._pages = pages
        self.request: Request | None = None
        """That waits for its answer."""

    def from_agent(self) -> Ending | None:
        """Take what the agent has sent; None when nothing more is to be done.

        Raises:
            SideLost: One side is gone.
            AuditError: The decision could not be recorded.
        """
        data = self.agent.receive_now()
        if data is None:
            return None
        if not data:
            return Over()
        request = self._read(data)
        if request is None:
            self.agent.put_back(data)
            return Other()
        answer = self._questions.begin_request(request, "http")
        if answer is not True:
            return Judged(request, answer or None)
        head = self._writer.write(request, self._host, request.fields)
        sent = self.upstream.send_now(head)
        if sent != len(head):
            return Begun(request, head[sent:])
        self.request = request
        return None

    def _read(self, data: bytes) -> Request | None:
        """Return the request, if the data are one that is simple."""
        if data.find(_HEAD_END) != len(data) - len(_HEAD_END):
            return None
        try:
            request = self._reader.read(data)
        except HeadError:
            return None
        return request if request.is_plain and request.keeps and self._questions.names_port(request) else None

    def from_upstream(self) -> Ending | None:
        """Take what the server has sent; None when nothing more is to be done.

        Raises:
            SideLost: One side is gone.
        """
        request = self.request
        if request is None:
            return Over()
        data = self.upstream.receive_now()
        if data is None:
            return None
        answer = self._answers.whole(data, request) if data else None
        self.request = None
        if answer is None or self._must_be_read(answer):
            self.upstream.put_back(data)
            return Begun(request, b"")
        sent = self.agent.send_now(answer)
        return None if sent == len(answer) else Answered(answer[sent:])

    def _must_be_read(self, answer: bytes) -> bool:
        return self._pages is not None and self._pages.must_read(answer, is_encoded=self._answers.is_encoded)


class _Guest:
    """A flow that is led."""

    __slots__ = ("active", "ending", "fault", "fds", "is_agent_watched", "simple", "woken")

    def __init__(self, simple: Simple) -> None:
        self.simple = simple
        self.fds = simple.agent.fd, simple.upstream.fd
        self.is_agent_watched = True
        self.active = trio.current_time()
        self.woken = trio.Event()
        self.ending: Ending | None = None
        self.fault: Exception | None = None


class Lane:
    """Leads all plain HTTP flows of a session. `serve` runs beside."""

    def __init__(self) -> None:
        self._watcher = select.epoll()
        self._by_fd: dict[int, _Guest] = {}
        self.is_served = False

    async def serve(self) -> None:
        """Serve what comes, for as long as the session lasts."""
        self.is_served = True
        try:
            while True:
                await trio.lowlevel.wait_readable(self._watcher.fileno())
                self._serve(trio.current_time())
        finally:
            self.is_served = False
            self._watcher.close()

    def _serve(self, now: float) -> None:
        for _ in range(_TURN):
            found = self._watcher.poll(0, _EVENTS)
            if not found:
                return
            for fd, _events in found:
                guest = self._by_fd.get(fd)
                if guest is not None:
                    guest.active = now
                    self._advance(guest, fd)

    def _advance(self, guest: _Guest, fd: int) -> None:
        simple = guest.simple
        try:
            if fd == guest.fds[1]:
                guest.ending = simple.from_upstream()
                if simple.request is None and guest.ending is None and not guest.is_agent_watched:
                    self._watch_agent(guest)
            elif simple.request is None:
                guest.ending = simple.from_agent()
            else:  # it sends the next request, or hangs up: after the answer
                self._watcher.unregister(fd)
                guest.is_agent_watched = False
        except Exception as fault:  # noqa: BLE001 - raised where the flow's task waits
            guest.fault = fault
        if guest.ending is not None or guest.fault is not None:
            self._leave(guest)
            guest.woken.set()

    def _watch_agent(self, guest: _Guest) -> None:
        self._watcher.register(guest.fds[0], select.EPOLLIN)
        guest.is_agent_watched = True

    async def lead(self, simple: Simple) -> Ending:
        """Serve a flow's simple exchanges, from one to the next, until something else is to be done for it.

        Raises:
            SideLost: One side is gone.
            SideIdle: Nothing moved for too long.
            AuditError: A decision could not be recorded.
        """
        guest = _Guest(simple)
        try:
            for fd in guest.fds:
                self._by_fd[fd] = guest
                self._watcher.register(fd, select.EPOLLIN)
            await self._until_woken(guest)
        finally:
            self._leave(guest)
        if guest.fault is not None:
            raise guest.fault
        assert guest.ending is not None
        return guest.ending

    async def _until_woken(self, guest: _Guest) -> None:
        idle = min(guest.simple.agent.idle, guest.simple.upstream.idle)
        while not guest.woken.is_set():
            with trio.move_on_at(guest.active + idle):
                await guest.woken.wait()
            if not guest.woken.is_set() and trio.current_time() >= guest.active + idle:
                if guest.simple.request is not None:
                    raise SideIdle
                guest.ending = Over()
                return

    def _leave(self, guest: _Guest) -> None:
        for fd in guest.fds:
            if self._by_fd.get(fd) is not guest:
                continue
            del self._by_fd[fd]
            if fd == guest.fds[1] or guest.is_agent_watched:
                with contextlib.suppress(OSError, ValueError):  # the socket or the watcher was closed before
                    self._watcher.unregister(fd)
