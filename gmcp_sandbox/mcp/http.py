"""HTTP/1.1 with one client over one connection (h11), bounded.

Guarantees:
- A request's head has at most `_HEAD_BYTES`, its body as many bytes as its reader allows.
- A client that sends nothing for `_IDLE_SECONDS` between requests, or does not finish a request in
  `_REQUEST_SECONDS`, is let go of.
"""

from __future__ import annotations

from typing import Any, Final

import h11
import msgspec
import trio
from trio.abc import Stream

from gmcp_sandbox.mcp.ends import EndLost

_HEAD_BYTES: Final = 32 << 10
_PIECE: Final = 64 << 10
_IDLE_SECONDS: Final = 600.0
_REQUEST_SECONDS: Final = 60.0
_TEXT: Final = "text/plain; charset=utf-8"


class Asked(msgspec.Struct, frozen=True):
    """The head of a request.

    Attributes:
        headers: Names in lower case, as they came.
    """

    method: str
    target: str
    headers: tuple[tuple[bytes, bytes], ...]

    def header(self, name: bytes) -> str | None:
        """Return a header's value; None unless it stands there exactly once."""
        found = [value for key, value in self.headers if key == name]
        return found[0].decode("latin-1") if len(found) == 1 else None

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


class TooLong(Exception):
    """A body that its reader does not want."""


class Connection:
    """One client's. Use as: `next`, `body`, then one of the answers; again."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)

    async def next(self) -> Asked | None:
        """Return the next request; None at the end, or when nothing comes that is one. Raises EndLost."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        if self._http.our_state is not h11.IDLE:
            return None
        with trio.move_on_after(_IDLE_SECONDS):
            try:
                event = await self._event()
            except h11.RemoteProtocolError as error:
                await self.refuse(error.error_status_hint, b"gmcp-sandbox: no HTTP request\n", _TEXT)
                return None
            if isinstance(event, h11.Request):
                return Asked(event.method.decode("ascii"), event.target.decode("latin-1"), tuple(event.headers))
        return None

    async def body(self, longest: int) -> bytes:
        """Return the request's body. Raises EndLost, TooLong."""
        parts = bytearray()
        with trio.move_on_after(_REQUEST_SECONDS):
            try:
                while isinstance(event := await self._event(), h11.Data):
                    parts += event.data
                    if len(parts) > longest:
                        raise TooLong
            except h11.RemoteProtocolError:
                raise EndLost from None
            return bytes(parts)
        raise EndLost

    async def answer(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        """Give a whole answer. Raises EndLost."""
        fields = [("content-type", kind), ("content-length", str(len(body)))]
        fields += [(name.replace("_", "-"), value) for name, value in headers.items()]
        await self._say(h11.Response(status_code=status, headers=fields), h11.Data(data=body), h11.EndOfMessage())

    async def refuse(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        """Give an answer after which the connection ends: the rest of the request is not read. Raises EndLost."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self.answer(status, body, kind, connection="close", **headers)
        else:
            raise EndLost

    async def switch(self, protocol: str) -> bytes:
        """Give the connection over to another protocol; return what came for it already. Raises EndLost."""
        headers = [("connection", "Upgrade"), ("upgrade", protocol)]
        await self._say(h11.InformationalResponse(status_code=101, headers=headers))
        return self._http.trailing_data[0]

    async def begin(self, status: int, kind: str, **headers: str) -> None:
        """Begin an answer of unknown length. Raises EndLost."""
        fields = [("content-type", kind), ("cache-control", "no-cache, no-transform")]
        fields += [(name.replace("_", "-"), value) for name, value in headers.items()]
        await self._say(h11.Response(status_code=status, headers=fields))

    async def piece(self, data: bytes) -> None:
        """Go on with an answer. Raises EndLost."""
        await self._say(h11.Data(data=data))

    async def finish(self) -> None:
        """End an answer. Raises EndLost."""
        await self._say(h11.EndOfMessage())

    async def gone(self) -> None:
        """Wait until the client has gone; what it sends meanwhile is kept, up to a bound."""
        while len(self._http.trailing_data[0]) < _PIECE:
            try:
                data = await self._stream.receive_some(_PIECE)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
            if not data:
                return
            self._http.receive_data(bytes(data))

    async def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._say(h11.InformationalResponse(status_code=100, headers=[]))
            try:
                self._http.receive_data(bytes(await self._stream.receive_some(_PIECE)))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise EndLost from None
        return event

    async def _say(self, *events: Any) -> None:
        try:
            data = b"".join(self._http.send(event) or b"" for event in events)
            if data:
                await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.LocalProtocolError):
            raise EndLost from None
