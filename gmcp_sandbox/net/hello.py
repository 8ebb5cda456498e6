"""A TLS ClientHello out of hostile bytes: which name a client asks for, before a byte of it is passed on.

Guarantees:
- `read_hello` returns a `Hello`, None (more bytes are needed), or raises `HelloError`; never anything else.
- What two readers could understand differently is refused: doubled extensions or names, lengths that do not add up,
  bytes behind the message in its record, names that are no host names.
- The message may be cut into records (RFC 8446, 5.1) and into segments at any place.

Values of GREASE (RFC 8701) are extensions and protocols like any other: skipped, or shown as they are. An offered
Encrypted ClientHello is stated; clients send it as GREASE, too, and nobody but the server can tell.
"""

from __future__ import annotations

import re

import msgspec

MAX_HELLO = 16 << 10
"""Of the handshake message. A large one, with post-quantum keys and tickets, has 4 KiB."""
MAX_RECORDS = 64
"""Over which one may be spread; together they bound what a client that sends single bytes can make us read again."""

_HANDSHAKE = 22
_CLIENT_HELLO = 1
_MAX_RECORD = 1 << 14
_MAX_ALPN = 64
_SERVER_NAME, _ALPN, _ECH = 0x0000, 0x0010, 0xFE0D
_HOST = re.compile(rb"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")


class HelloError(Exception):
    """The bytes are no ClientHello that can be judged; `word` says why, for the record."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class Hello(msgspec.Struct, frozen=True):
    """What a ClientHello says.

    Attributes:
        server_name: In lower case without a last dot; None when it names none.
        alpn: Protocols offered, in order; bytes that are not printable ASCII are escaped.
        ech: Encrypted ClientHello is offered or feigned.
    """

    server_name: str | None
    alpn: tuple[str, ...] = ()
    ech: bool = False


def read_hello(data: bytes) -> Hello | None:
    """Parse the first bytes of a flow; None when they are the beginning of a ClientHello.

    Raises:
        HelloError: They are not.
    """
    message = _message(data)
    return None if message is None else _parse(_Reader(message))


def _message(data: bytes) -> bytes | None:
    """Return the body of the first handshake message, put together from its records."""
    collected = bytearray()
    at = 0
    for _ in range(MAX_RECORDS):
        head = data[at : at + 5]
        if not _is_record_head(head):
            raise HelloError("record")
        if len(head) < 5:
            return None
        length = int.from_bytes(head[3:5])
        if not 0 < length <= _MAX_RECORD:
            raise HelloError("record_length")
        collected += data[at + 5 : at + 5 + length]
        at += 5 + length
        size = _message_size(collected)
        if size is not None and len(collected) >= size:
            if len(collected) > size or at > len(data):
                raise HelloError("trailing")
            return bytes(collected[4:])
        if at > len(data):
            return None
    raise HelloError("records")


def _is_record_head(head: bytes) -> bool:
    """True when these up to five bytes can begin a handshake record: type 22, version 3.x."""
    return head[:1] in (b"", b"\x16") and head[1:2] in (b"", b"\x03") and (len(head) < 3 or head[2] <= 4)


def _message_size(collected: bytearray) -> int | None:
    """Return the size of the handshake message with its head; None while that is not known."""
    if collected and collected[0] != _CLIENT_HELLO:
        raise HelloError("message")
    if len(collected) < 4:
        return None
    size = 4 + int.from_bytes(collected[1:4])
    if size > MAX_HELLO:
        raise HelloError("message_length")
    return size


class _Reader:
    """Takes vectors off a byte string; every length is checked."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_empty(self) -> bool:
        return self._at == len(self._data)

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise HelloError("truncated")
        part = self._data[self._at : end]
        self._at = end
        return part

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> _Reader:
        return _Reader(self.take(self.number(size)))

    def end(self) -> None:
        if not self.is_empty:
            raise HelloError("trailing")


def _parse(body: _Reader) -> Hello:
    """Parse `struct ClientHello` (RFC 8446, 4.1.2)."""
    if body.number(2) >> 8 != 3:
        raise HelloError("version")
    body.take(32)
    if len(body.vector(1)._data) > 32:
        raise HelloError("session_id")
    suites = body.vector(2)._data
    if not suites or len(suites) % 2:
        raise HelloError("cipher_suites")
    if not body.vector(1)._data:
        raise HelloError("compression")
    if body.is_empty:
        return Hello(None)
    extensions = _extensions(body.vector(2))
    body.end()
    name = extensions.get(_SERVER_NAME)
    protocols = extensions.get(_ALPN)
    return Hello(
        None if name is None else _server_name(_Reader(name)),
        () if protocols is None else _alpn(_Reader(protocols)),
        _ECH in extensions,
    )


def _extensions(reader: _Reader) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while not reader.is_empty:
        kind = reader.number(2)
        if kind in found:
            raise HelloError("doubled_extension")
        found[kind] = reader.vector(2)._data
    return found


def _server_name(extension: _Reader) -> str:
    """Parse `ServerNameList` (RFC 6066, 3): exactly one name of type host_name."""
    names = extension.vector(2)
    extension.end()
    if names.number(1) != 0:
        raise HelloError("server_name_type")
    name = names.vector(2)._data.lower()
    names.end()
    name = name.removesuffix(b".")
    if len(name) > 253 or _HOST.fullmatch(name) is None:
        raise HelloError("server_name")
    return name.decode("ascii")


def _alpn(extension: _Reader) -> tuple[str, ...]:
    names = extension.vector(2)
    extension.end()
    found: list[str] = []
    while not names.is_empty:
        name = names.vector(1)._data
        if not name or len(found) == _MAX_ALPN:
            raise HelloError("alpn")
        found.append(_printable(name))
    return tuple(found)


def _printable(name: bytes) -> str:
    text = "".join(chr(byte) if 0x20 < byte < 0x7F else f"%{byte:02x}" for byte in name)
    return text[:255]
