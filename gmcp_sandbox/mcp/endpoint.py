"""The governed endpoint of streamable HTTP (https://modelcontextprotocol.io, transports): `/NAME` for each server.

POST brings a message; GET stands for what the server says by itself; DELETE ends a session. With `Upgrade: mcp-lines`
a GET turns the connection into bare lines, which the shim uses.

Guarantees:
- A request is taken only for a server of the profile, in its own name (Host), from no page of elsewhere (Origin), and,
  where a token is demanded, with that.
- Each request has an answer: a message, or a status that says what was wrong with it.

The protocol's versions without sessions are refused by name, so that clients go on with `initialize`. The SDK's own
server transport is not used here: it needs asyncio and a web framework, in a process that shall have little.
"""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import trio
from trio.abc import Stream

from gmcp_sandbox.mcp.ends import EndLost
from gmcp_sandbox.mcp.http import Asked, Connection, TooLong
from gmcp_sandbox.mcp.line import Server
from gmcp_sandbox.mcp.messages import (
    Failure,
    Message,
    MessageError,
    Request,
    Result,
    failure,
    read_message,
    write_message,
)
from gmcp_sandbox.mcp.posts import HttpSession, Outlet
from gmcp_sandbox.mcp.underway import FAILED

VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Of the protocol, with `initialize` and sessions."""
_WRONG_VERSION: Final = -32022
_INVALID: Final = -32600
_NO_JSON: Final = -32700
_JSON: Final = "application/json"
_EVENTS: Final = "text/event-stream"
_SHORT: Final = 10.0
"""Seconds after which an answer begins, so that its client knows that it was heard."""
_ALIVE: Final = 15.0
_NO_SESSION: Final = "there is no such session, or none any more"
_COMMENT: Final = b": still here\r\n\r\n"


class Rules(msgspec.Struct, frozen=True):
    """Who may come.

    Attributes:
        hosts: By what names the endpoint is called.
        origins: Of web pages that may call it.
        token: What each request has to bear; None: none, the channel says who it is.
    """

    hosts: tuple[str, ...]
    origins: tuple[str, ...] = ()
    token: str | None = None


class Refused(Exception):
    """A request that gets no more than a status and a reason."""

    def __init__(self, status: int, why: str, code: int = _INVALID, data: Any = None) -> None:
        super().__init__(why)
        self.status = status
        self.code = code
        self.data = data


class Endpoint:
    """All HTTP sessions of one gateway.

    Args:
        begin: Begins a conversation with a server for a session, and returns while it goes on. Raises NoRoom.
        lines: Converses with a client of bare lines, to the end.
    """

    def __init__(
        self,
        servers: dict[str, Server],
        rules: Rules,
        begin: Callable[[str, HttpSession], Awaitable[None]],
        lines: Callable[[str, Stream], Awaitable[None]],
    ) -> None:
        self._servers = servers
        self._rules = rules
        self._begin = begin
        self._lines = lines
        self._sessions: dict[tuple[str, str], HttpSession] = {}

    async def serve(self, stream: Stream) -> None:
        """Serve one connection to its end. Raises EndLost."""
        connection = Connection(stream)
        while (asked := await connection.next()) is not None:
            try:
                server = self._admit(asked)
                if asked.header(b"upgrade") == "mcp-lines" and asked.method == "GET":
                    await connection.body(0)
                    await self._lines(server.name, _Continued(stream, await connection.switch("mcp-lines")))
                    return
                await self._answer(connection, asked, server)
            except Refused as refusal:
                body = write_message(failure(None, refusal.code, f"gmcp-sandbox: {refusal}", refusal.data))
                further = {"www_authenticate": "Bearer"} if refusal.status == 401 else {}
                await connection.refuse(refusal.status, body, _JSON, **further)
            except TooLong:
                body = write_message(failure(None, _INVALID, "gmcp-sandbox: the message is too long"))
                await connection.refuse(413, body, _JSON)

    def _admit(self, asked: Asked) -> Server:
        """Return the server that a request is for. Raises Refused."""
        rules = self._rules
        if (asked.header(b"host") or "").lower() not in rules.hosts:
            raise Refused(421, "this is not the host that was asked for")
        origin = asked.header(b"origin")
        if origin is not None and origin.lower() not in rules.origins:
            raise Refused(403, "requests of web pages are not taken")
        if rules.token is not None and not _bears(asked, rules.token):
            raise Refused(401, "the bearer token is missing or wrong")
        server = self._servers.get(asked.path.strip("/"))
        if server is None:
            raise Refused(404, "the profile has no such MCP server")
        version = asked.header(b"mcp-protocol-version")
        if version is not None and version not in VERSIONS:
            data = {"supported": list(VERSIONS), "requested": version[:64]}
            raise Refused(400, "this version of the protocol is not spoken here", _WRONG_VERSION, data)
        return server

    async def _answer(self, connection: Connection, asked: Asked, server: Server) -> None:
        if asked.method == "POST":
            await self._post(connection, asked, server)
        elif asked.method == "GET":
            await connection.body(0)
            _demand(asked, _EVENTS)
            session = self._session(asked, server)
            outlet = session.stand()
            if outlet is None:
                raise Refused(409, "the session has a stream already")
            await self._stream(connection, session, outlet)
        elif asked.method == "DELETE":
            await connection.body(0)
            self._session(asked, server).close()
            await connection.answer(200, b"", _JSON)
        else:
            raise Refused(405, "GET, POST or DELETE")

    def _session(self, asked: Asked, server: Server) -> HttpSession:
        """Return the session that a request names. Raises Refused."""
        name = asked.header(b"mcp-session-id")
        if name is None:
            raise Refused(400, "no session: say initialize first, then name it in Mcp-Session-Id")
        session = self._sessions.get((server.name, name))
        if session is None or session.is_closed:
            raise Refused(404, _NO_SESSION)
        return session

    # ----------------------------------------------------------------------------------------------------------- POST

    async def _post(self, connection: Connection, asked: Asked, server: Server) -> None:
        if (asked.header(b"content-type") or "").partition(";")[0].strip().lower() != _JSON:
            raise Refused(415, f"the content type is not {_JSON}")
        _demand(asked, _JSON, _EVENTS)
        try:
            message = read_message(await connection.body(server.message_bytes))
        except MessageError as error:
            raise Refused(400, str(error), _NO_JSON) from None
        if isinstance(message, Request) and message.method == "initialize" and asked.header(b"mcp-session-id") is None:
            await self._greet(connection, server, message)
            return
        session = self._session(asked, server)
        if not isinstance(message, Request):
            await _put(session, message)
            await connection.answer(202, b"", _JSON)
            return
        outlet = session.expect(message.id)
        if outlet is None:
            raise Refused(400, "this id is in use")
        await _put(session, message)
        await self._reply(connection, session, outlet)

    async def _greet(self, connection: Connection, server: Server, hello: Request) -> None:
        """Begin a session; one that the server does not want is none."""
        session = HttpSession()
        outlet = session.expect(hello.id)
        assert outlet is not None
        await self._begin(server.name, session)
        key = (server.name, session.id)
        self._sessions[key] = session
        try:
            await session.put(hello)
            answer = await outlet.next()
            if isinstance(answer, Result):
                await connection.answer(200, write_message(answer), _JSON, mcp_session_id=session.id)
                return
            session.close()
            body = write_message(answer or failure(hello.id, FAILED, "gmcp-sandbox: the session has ended"))
            await connection.answer(200, body, _JSON)
        finally:
            self._forget()

    def _forget(self) -> None:
        """Drop the sessions that are over."""
        self._sessions = {key: each for key, each in self._sessions.items() if not each.is_over.is_set()}

    async def _reply(self, connection: Connection, session: HttpSession, outlet: Outlet) -> None:
        """Answer with the result alone when nothing else comes before it, else with a stream."""
        first = None
        with trio.move_on_after(_SHORT) as patience:
            first = await outlet.next()
        if isinstance(first, Result | Failure):
            await connection.answer(200, write_message(first), _JSON)
        elif first is None and not patience.cancelled_caught:
            await connection.answer(202, b"", _JSON)  # it was cancelled, or the session is over
        else:
            await self._stream(connection, session, outlet, () if first is None else (first,))

    async def _stream(
        self, connection: Connection, session: HttpSession, outlet: Outlet, first: tuple[Any, ...] = ()
    ) -> None:
        """Answer with events, until there are no more or the client has gone."""
        try:
            await connection.begin(200, _EVENTS)
            for message in first:
                await connection.piece(_event(message))
            async with trio.open_nursery() as nursery:

                async def watch() -> None:
                    await connection.gone()
                    nursery.cancel_scope.cancel()

                nursery.start_soon(watch)
                with contextlib.suppress(EndLost):
                    await _pass_on(connection, outlet)
                nursery.cancel_scope.cancel()
            if not outlet.is_over:
                raise EndLost
            await connection.finish()
        finally:
            session.leave(outlet)


async def _put(session: HttpSession, message: Message) -> None:
    try:
        await session.put(message)
    except EndLost:  # it ended while the message came
        raise Refused(404, _NO_SESSION) from None


async def _pass_on(connection: Connection, outlet: Outlet) -> None:
    while True:
        message = None
        with trio.move_on_after(_ALIVE) as patience:
            message = await outlet.next()
        if message is not None:
            await connection.piece(_event(message))
        elif patience.cancelled_caught:
            await connection.piece(_COMMENT)
        else:
            return


def _event(message: Any) -> bytes:
    return b"event: message\r\ndata: " + write_message(message) + b"\r\n\r\n"


def _demand(asked: Asked, *kinds: str) -> None:
    """Raise Refused unless the client takes all of these kinds."""
    accepted = asked.header(b"accept")
    if accepted is None:
        return
    taken = {each.partition(";")[0].strip().lower() for each in accepted.split(",")}
    for kind in kinds:
        if not taken & {kind, "*/*", kind.partition("/")[0] + "/*"}:
            raise Refused(406, f"the client has to accept {' and '.join(kinds)}")


def _bears(asked: Asked, token: str) -> bool:
    kind, _, value = (asked.header(b"authorization") or "").partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(value.strip().encode(), token.encode())


class _Continued(Stream):
    """A stream of which some was read before."""

    def __init__(self, stream: Stream, first: bytes) -> None:
        self._stream = stream
        self._first = first

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        return bytes(await self._stream.receive_some(max_bytes))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()
