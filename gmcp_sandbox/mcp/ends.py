"""The two ends of a conversation, as it sees them, and one that both can be: JSON messages, one a line.

Guarantees of `Lines`, against whoever is at the other side:
- At most `longest` bytes of an unfinished line are kept; a longer one is let pass by and reported as `Broken`, with the
  number of the request that it seems to answer.
- Nothing is read ahead of what was asked for but one piece, so that a slow reader here stops the writer there.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec
import trio
from trio.abc import ReceiveStream, SendStream

from gmcp_sandbox.mcp.messages import Id, Message, MessageError, read_message, sniff_id, write_message

_PIECE: Final = 64 << 10
_EDGE: Final = 512


class EndLost(Exception):
    """The other side is gone."""


class Broken(msgspec.Struct, frozen=True):
    """Something came that is no message.

    Attributes:
        id: Of the request that it seems to be the answer to.
        is_message: It was meant as one.
    """

    why: str
    id: int | None = None
    is_message: bool = True


class End(Protocol):
    """Where messages come from and go to."""

    async def receive(self) -> Message | Broken | None:
        """Return what comes next; None at the end."""

    async def send(self, message: Message, about: Id | None = None) -> None:
        """Send a message; `about` is the other side's request that it belongs to. Raises EndLost."""

    async def unanswered(self, identity: Id) -> None:
        """This request of the other side gets no answer: it was cancelled."""

    async def aclose(self) -> None:
        """Let go of it."""


class Lines:
    """An `End` over two streams; several may send at once, so the sink keeps what each one gives together (`Way`)."""

    def __init__(self, source: ReceiveStream, sink: SendStream, longest: int) -> None:
        self._source = source
        self._sink = sink
        self._longest = longest
        self._buffer = bytearray()
        self._seen = 0

    async def receive(self) -> Message | Broken | None:
        while True:
            end = self._buffer.find(b"\n", self._seen)
            if end < 0:
                self._seen = len(self._buffer)
                if self._seen > self._longest:
                    return await self._skip()
                if not await self._fill():
                    return None
                continue
            line = bytes(memoryview(self._buffer)[:end])
            del self._buffer[: end + 1]
            self._seen = 0
            if not line or line.isspace():
                continue
            if len(line) > self._longest:
                return Broken(f"a message of more than {self._longest} bytes", sniff_id(line))
            return _read(line)

    async def send(self, message: Message, about: Id | None = None) -> None:
        try:
            await self._sink.send_all(write_message(message) + b"\n")
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            raise EndLost from None

    async def unanswered(self, identity: Id) -> None:
        """Silence is what the protocol wants."""

    async def aclose(self) -> None:
        """Close both streams."""
        await trio.aclose_forcefully(self._sink)
        await trio.aclose_forcefully(self._source)

    async def _fill(self) -> bool:
        try:
            data = await self._source.receive_some(_PIECE)
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            return False
        self._buffer += data
        return bool(data)

    async def _skip(self) -> Broken | None:
        """Let the rest of a line pass by."""
        head = bytes(self._buffer[:_EDGE])
        while (end := self._buffer.find(b"\n")) < 0:
            del self._buffer[:-_EDGE]
            if not await self._fill():
                return None
        tail = bytes(self._buffer[:end][-_EDGE:])
        del self._buffer[: end + 1]
        self._seen = 0
        return Broken(f"a message of more than {self._longest} bytes", sniff_id(head, tail))


def _read(line: bytes) -> Message | Broken:
    try:
        return read_message(line)
    except MessageError as error:
        return Broken(str(error), sniff_id(line), line.lstrip()[:1] == b"{")
