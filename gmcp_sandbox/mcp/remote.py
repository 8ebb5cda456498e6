"""A server with a URL, spoken to by the SDK's client over connections that the supervisor opens.

Guarantees:
- No connection is opened here, and none is asked for but to the host and port of the profile; the SDK follows redirects
  within this origin alone.
- An answer that is one message has at most `message_bytes`, and each event of a stream; compressed answers are refused.
- The headers of the profile, credentials among them, are in requests to that origin and nowhere else.

Imported only for a profile that has such a server. `rehearse` uses once what the libraries import late, because the
worker can open no file later.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from socket import socket, socketpair
from typing import Any, Final

import httpcore2
import httpx2
import trio
from httpcore2._backends.trio import TrioStream
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp_types import jsonrpc_message_adapter

from gmcp_sandbox.mcp.asking import Opened
from gmcp_sandbox.mcp.conversation import CannotConnect
from gmcp_sandbox.mcp.ends import Broken, EndLost
from gmcp_sandbox.mcp.line import Server
from gmcp_sandbox.mcp.messages import Id, Message, MessageError, Request, Result, message_of, read_json, write_message

Want = Callable[[], Awaitable[Opened]]
"""Asks for a connection. Raises CannotConnect."""
_CONNECTIONS: Final = 64
_GREETING: Final = (
    b'{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},'
    b'"serverInfo":{"name":"rehearsal","version":"0"}}}'
)


class Backend(httpcore2.AsyncNetworkBackend):
    """Where the HTTP client gets its connections from."""

    def __init__(self, origin: tuple[str, int], want: Want) -> None:
        self._origin = origin
        self._want = want

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        if (host, port) != self._origin:
            raise httpcore2.ConnectError("another origin")
        try:
            opened = await self._want()
        except CannotConnect as error:
            raise httpcore2.ConnectError(str(error)) from None
        (fd,) = opened.fds
        return TrioStream(trio.SocketStream(trio.socket.from_stdlib_socket(socket(fileno=fd))))

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


class Bounded(httpx2.AsyncHTTPTransport):
    """The client's transport, over our connections, with bounded answers."""

    def __init__(self, backend: Backend, trust: ssl.SSLContext, longest: int) -> None:
        super().__init__(verify=trust, trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=trust, max_connections=_CONNECTIONS, keepalive_expiry=60.0, network_backend=backend
        )
        self._longest = longest

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.ReadError("a compressed answer")
        if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = _Short(response.stream, self._longest)
        return response


class _Short(httpx2.AsyncByteStream):
    """A body that ends with an error when it is too long."""

    def __init__(self, stream: httpx2.AsyncByteStream, longest: int) -> None:
        self._stream = stream
        self._longest = longest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._stream:
            size += len(part)
            if size > self._longest:
                raise httpx2.StreamError(f"an answer of more than {self._longest} bytes")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class Remote:
    """An `End` at a server with a URL. `run` for as long as it is used."""

    def __init__(self, server: Server, want: Want, trust: ssl.SSLContext) -> None:
        self._server = server
        url = httpx2.URL(server.url or "")
        backend = Backend((url.host, url.port or (443 if url.scheme == "https" else 80)), want)
        self._client = httpx2.AsyncClient(
            transport=Bounded(backend, trust, server.message_bytes),
            headers=[("accept-encoding", "identity"), *server.headers],
            timeout=httpx2.Timeout(server.start_seconds, read=None),
            trust_env=False,
        )
        self._given, self._received = trio.open_memory_channel[Message | Broken](0)
        self._write: Any = None
        self._hello: Id | None = None
        self._version: str | None = None
        self._leave = trio.Event()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Speak with the server until either side has ended."""
        try:
            async with self._client, self._given:
                opened = streamable_http_client(
                    self._server.url or "", http_client=self._client, max_sse_event_size=self._server.message_bytes
                )
                async with opened as (read, self._write):
                    task_status.started()
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._hear, read)
                        await self._leave.wait()
                        nursery.cancel_scope.cancel()
        except* Exception:  # noqa: BLE001, S110 - the documented boundary: whatever broke, the connection to the server is gone
            pass

    async def _hear(self, read: Any) -> None:
        with contextlib.suppress(trio.BrokenResourceError):  # nobody listens any more
            async for said in read:
                await self._given.send(self._heard(said))
        self._leave.set()

    def _heard(self, said: SessionMessage | Exception) -> Message | Broken:
        if isinstance(said, Exception):
            return Broken(f"something that is no message ({type(said).__name__})")
        try:
            message = message_of(said.message.model_dump(by_alias=True, mode="json", exclude_unset=True))
        except MessageError as error:
            return Broken(str(error))
        if isinstance(message, Result) and message.id == self._hello:
            version = read_json(message.result).get("protocolVersion")
            self._version = version if type(version) is str else None
        return message

    async def receive(self) -> Message | Broken | None:
        try:
            return await self._received.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            return None

    async def send(self, message: Message, about: Id | None = None) -> None:
        if isinstance(message, Request) and message.method == "initialize":
            self._hello, self._version = message.id, None
        headers = {} if self._version is None else {"mcp-protocol-version": self._version}
        said = jsonrpc_message_adapter.validate_json(write_message(message), by_name=False)
        try:
            await self._write.send(SessionMessage(said, ClientMessageMetadata(headers=headers)))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise EndLost from None
        except Exception as gone:
            raise EndLost from gone

    async def unanswered(self, identity: Id) -> None:
        """Silence is what the protocol wants."""

    async def aclose(self) -> None:
        """Leave."""
        self._leave.set()
        self._received.close()


def opener(trust: ssl.SSLContext) -> Callable[[Server, Want, trio.Nursery], Awaitable[Remote]]:
    """Return what opens an end to a server."""

    async def open_remote(server: Server, want: Want, nursery: trio.Nursery) -> Remote:
        remote = Remote(server, want, trust)
        await nursery.start(remote.run)
        return remote

    return open_remote


async def rehearse(trust: ssl.SSLContext) -> None:
    """Greet a server that is none, over a pair of sockets. What this does not import, the worker will never need."""
    server = Server("rehearsal", "http://rehearsal.example/mcp", (), 10.0, 10.0, 1, 1 << 16)

    async def want() -> Opened:
        ours, theirs = socketpair()
        nursery.start_soon(_answer, theirs)
        return Opened(0, (ours.detach(),))

    async with trio.open_nursery() as nursery:
        remote = await opener(trust)(server, want, nursery)
        await remote.send(Request(1, "initialize", b'{"protocolVersion":"2025-11-25","capabilities":{}}'))
        with trio.move_on_after(10.0):
            await remote.receive()
        await remote.aclose()


async def _answer(sock: socket) -> None:
    async with trio.SocketStream(trio.socket.from_stdlib_socket(sock)) as stream:
        request = await stream.receive_some(1 << 16)
        if not request.startswith(b"POST"):
            await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            return
        event = b"event: message\r\ndata: " + _GREETING + b"\r\n\r\n"
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\nmcp-session-id: x\r\n\r\n"
        await stream.send_all(head + event)
