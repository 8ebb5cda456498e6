"""Where the body of an HTTP/1 message ends: decoders without I/O, and the same body written anew.

A decoder is fed bytes until `is_done`; it returns payload and keeps what follows the body in `rest`. It holds no more
than one line or the trailers of what it was fed, so that a body of any size costs the memory of one read.

Guarantee: `feed` returns payload or raises `BodyError`; never anything else.
"""

from __future__ import annotations

import enum
import re
from typing import Protocol

import msgspec

from gmcp_sandbox.net.head import Field, HeadError, parse_trailers, write_head

MAX_CHUNK_LINE = 1 << 10
MAX_TRAILERS = 16 << 10
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")


class BodyError(Exception):
    """The body does not have the form that the head announced; `word` says why, for the record."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class Mode(enum.Enum):
    """How the end of a body is known."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"


class Framing(msgspec.Struct, frozen=True):
    """How the end of one body is known; `length` for `Mode.LENGTH` alone."""

    mode: Mode
    length: int = 0


NO_BODY = Framing(Mode.NONE)
CHUNKED = Framing(Mode.CHUNKED)
UNTIL_CLOSE = Framing(Mode.CLOSE)


class Decoder(Protocol):
    """Takes the framing off a body."""

    is_done: bool
    rest: bytes
    trailers: tuple[Field, ...]

    def feed(self, data: bytes) -> bytes:
        """Return the payload in the next bytes.

        Raises:
            BodyError: They are malformed.
        """

    def end(self) -> None:
        """Take note that the stream has ended.

        Raises:
            BodyError: The body has not.
        """


def decoder_for(framing: Framing) -> Decoder:
    """Return the decoder of one body."""
    if framing.mode is Mode.CHUNKED:
        return ChunkedDecoder()
    if framing.mode is Mode.CLOSE:
        return CloseDecoder()
    return LengthDecoder(framing.length)


class LengthDecoder:
    """A body of so many bytes."""

    trailers: tuple[Field, ...] = ()

    def __init__(self, length: int) -> None:
        self.rest = b""
        self._left = length
        self.is_done = length == 0

    def feed(self, data: bytes) -> bytes:
        """Return the payload in the next bytes."""
        left = self._left
        if len(data) < left:
            self._left = left - len(data)
            return data
        self._left = 0
        self.is_done = True
        self.rest += data[left:]
        return data if len(data) == left else data[:left]

    def end(self) -> None:
        """The stream may not end before the body."""
        if not self.is_done:
            raise BodyError("cut_short")


class CloseDecoder:
    """A body that ends with its stream."""

    trailers: tuple[Field, ...] = ()

    def __init__(self) -> None:
        self.rest = b""
        self.is_done = False

    def feed(self, data: bytes) -> bytes:
        """Return the bytes: all of them are payload."""
        return data

    def end(self) -> None:
        """The stream's end is the body's."""
        self.is_done = True


class ChunkedDecoder:
    """A chunked body (RFC 9112, 7.1). Extensions are dropped; trailers are kept."""

    def __init__(self) -> None:
        self.is_done = False
        self.rest = b""
        self.trailers: tuple[Field, ...] = ()
        self._pending = b""
        self._step = self._size
        self._left = 0
        self._at = 0

    def feed(self, data: bytes) -> bytes:
        """Return the payload in the next bytes."""
        if self.is_done:
            self.rest += data
            return b""
        self._pending = self._pending + data if self._pending else data
        self._at = 0
        payload: list[bytes] = []
        while self._step(payload):
            pass
        self._pending = self._pending[self._at :]
        return payload[0] if len(payload) == 1 else b"".join(payload)

    def end(self) -> None:
        """The stream may not end before the body."""
        if not self.is_done:
            raise BodyError("cut_short")

    # Each step consumes what it can at `_at` and returns whether another step may follow.

    def _size(self, payload: list[bytes]) -> bool:
        end = self._pending.find(b"\r\n", self._at, self._at + MAX_CHUNK_LINE + 2)
        line = self._pending[self._at : end if end >= 0 else self._at + MAX_CHUNK_LINE + 1]
        if end < 0 and (len(line) > MAX_CHUNK_LINE or b"\n" in line):
            raise BodyError("chunk_line")
        if end < 0:
            return False
        size = _CHUNK_LINE.fullmatch(line)
        if size is None:
            raise BodyError("chunk_line")
        self._at = end + 2
        self._left = int(size[1], 16)
        self._step = self._data if self._left else self._trailers
        return True

    def _data(self, payload: list[bytes]) -> bool:
        part = self._pending[self._at : self._at + self._left]
        if part:
            payload.append(part)
        self._at += len(part)
        self._left -= len(part)
        if self._left:
            return False
        self._step = self._data_end
        return True

    def _data_end(self, payload: list[bytes]) -> bool:
        end = self._pending[self._at : self._at + 2]
        if end != b"\r\n"[: len(end)]:
            raise BodyError("chunk_end")
        if len(end) < 2:
            return False
        self._at += 2
        self._step = self._size
        return True

    def _trailers(self, payload: list[bytes]) -> bool:
        block = self._pending[self._at : self._at + MAX_TRAILERS + 1]
        blank = -2 if block.startswith(b"\r\n") else block.find(b"\r\n\r\n")
        if blank == -1:
            if len(block) > MAX_TRAILERS:
                raise BodyError("trailers_too_long")
            return False
        end = blank + 4
        try:
            self.trailers = parse_trailers(block[:end])
        except HeadError as error:
            raise BodyError(error.word) from error
        self.rest, self._pending, self._at = self._pending[self._at + end :], b"", 0
        self.is_done = True
        return False


def frame(mode: Mode, payload: bytes) -> bytes:
    """Return payload as it is written into a body of this mode."""
    if mode is Mode.CHUNKED and payload:
        return b"%x\r\n%b\r\n" % (len(payload), payload)
    return payload


def frame_end(mode: Mode, trailers: tuple[Field, ...] = ()) -> bytes:
    """Return what ends a body of this mode."""
    if mode is not Mode.CHUNKED:
        return b""
    return write_head(b"0", ((field.name, field.value) for field in trailers))
