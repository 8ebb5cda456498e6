"""The client sessions of the worker: each has its conversation, its server end and its place, of which there are few.

When the places of a server are taken, the oldest idle session makes room; when none is idle, there is none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Literal

import trio

from gmcp_sandbox.mcp.answers import At
from gmcp_sandbox.mcp.asking import Opened, Supervisor
from gmcp_sandbox.mcp.conversation import Conversation
from gmcp_sandbox.mcp.ends import End, Lines
from gmcp_sandbox.mcp.line import Release, Server, Told
from gmcp_sandbox.mcp.way import Way

_SECONDS_TO_LEAVE: Final = 5.0
Remote = Callable[[Server, Callable[[], Awaitable[Opened]], trio.Nursery], Awaitable[End]]
"""Opens an end to a server with a URL, over connections that it asks for."""


class NoRoom(Exception):
    """All places of a server are taken by sessions that are busy."""


class _Session:
    def __init__(self, at: At) -> None:
        self.at = at
        self.scope = trio.CancelScope()
        self.conversation: Conversation | None = None
        self.used_at = 0.0


class Sessions:
    """All of them."""

    def __init__(self, servers: tuple[Server, ...], supervisor: Supervisor, remote: Remote | None = None) -> None:
        self.servers = {server.name: server for server in servers}
        self._supervisor = supervisor
        self._remote = remote
        self._sessions: dict[int, _Session] = {}
        self._last = 0

    async def converse(
        self, name: str, client: End, by: Literal["http", "lines"], began: trio.Event | None = None
    ) -> None:
        """Lead a client's session to its end; `began` is set when there is room for it. Raises NoRoom."""
        server = self.servers[name]
        self._make_room(server)
        self._last += 1
        at = At(self._last, name)
        session = self._sessions[at.session] = _Session(at)
        self._supervisor.began(at, by)
        if began is not None:
            began.set()
        try:
            with session.scope:
                async with trio.open_nursery() as nursery:
                    session.conversation = Conversation(
                        at,
                        client,
                        lambda: self._connect(at, server, nursery),
                        self._supervisor,
                        server,
                        self._told(name),
                    )
                    await session.conversation.run()
                    nursery.cancel_scope.cancel()
        finally:
            del self._sessions[at.session]

    def _make_room(self, server: Server) -> None:
        taken = [each for each in self._sessions.values() if each.at.server == server.name]
        if len(taken) < server.max_sessions:
            return
        for session in taken:  # in the order of their beginning
            if session.conversation is not None and session.conversation.is_idle and not session.scope.cancel_called:
                session.scope.cancel()
                return
        raise NoRoom

    def _told(self, name: str) -> Callable[[str, str], None]:
        return lambda event, what: self._supervisor.say(Told(event, name, what[:500]))  # type: ignore[arg-type]

    async def _connect(self, at: At, server: Server, nursery: trio.Nursery) -> End:
        if server.url is not None:
            assert self._remote is not None
            return await self._remote(server, lambda: self._supervisor.want(at), nursery)
        opened = await self._supervisor.want(at)
        sink, source = opened.fds
        return _Pipes(self._supervisor, opened.number, sink, source, server.message_bytes)


class _Pipes(Lines):
    """The pipes of a stdio server, given back in the end."""

    def __init__(self, supervisor: Supervisor, number: int, sink: int, source: int, longest: int) -> None:
        way = Way(source, sink)
        super().__init__(way, way, longest)
        self._supervisor = supervisor
        self._number = number

    async def aclose(self) -> None:
        if self._number:
            await super().aclose()
            self._supervisor.say(Release(self._number))
            self._number = 0
