"""Content codings of HTTP (RFC 9110, 8.4.1 and 12.5.3): which can be opened, and the opening, piece by piece.

Guarantee: whatever a server sends, the memory is that of one piece, and what comes of it is at most `LONGEST` bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from gmcp_sandbox.net.head import Field

STEP: Final = 64 << 10
"""Bytes of one opened piece, at most."""
LONGEST: Final = 256 << 20
"""Bytes that one compressed body may come to."""
_GZIP: Final = frozenset({b"gzip", b"x-gzip"})
_OPENED: Final = _GZIP | {b"deflate"}
_OFFERED: Final = _OPENED | {b"identity"}
_CLOSED: Final = frozenset(
    {b"br", b"zstd", b"compress", b"x-compress", b"dcb", b"dcz", b"exi", b"pack200-gzip", b"aes128gcm"}
)
"""The rest of IANA's registry of content codings. What is no coding, clients take as it comes."""
_OFFER: Final = "accept-encoding"
_WRAPPED, _BARE, _OF_GZIP = 15, -15, 31
"""How zlib is told of the three forms of deflate."""


class Unreadable(Exception):
    """A body cannot be opened; `why` says what is wrong with it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Opener(Protocol):
    """Takes a coding off a body."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next bytes say.

        Raises:
            Unreadable: They say nothing, or too much.
        """


class Inflated:
    """Gzip, of several members too, or deflate, which some servers send without its wrapping."""

    def __init__(self, coding: bytes) -> None:
        self._is_gzip = coding in _GZIP
        self._inner = zlib.decompressobj(_OF_GZIP) if self._is_gzip else None
        self._first = b""
        self._left = LONGEST
        self._members = 0
        self._is_over = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next bytes say, in pieces of at most `STEP`."""
        if self._inner is None:
            self._first += data
            if len(self._first) < 2:
                return
            data, self._inner = self._first, zlib.decompressobj(_WRAPPED if _is_wrapped(self._first) else _BARE)
        is_full = False
        while (data or is_full) and not self._is_over:
            piece = self._opened(self._inner, data)
            is_full = len(piece) == STEP
            self._left -= len(piece)
            if self._left < 0:
                raise Unreadable(f"longer than {LONGEST >> 20} MiB when it is opened")
            if piece:
                yield piece
            data = self._inner.unconsumed_tail
            if self._inner.eof:  # clients take another member of gzip that follows, and leave anything else
                data, is_full = self._inner.unused_data, False
                self._members, self._is_over = self._members + 1, not self._is_gzip
                self._inner = zlib.decompressobj(_OF_GZIP)

    def _opened(self, inner: zlib._Decompress, data: bytes) -> bytes:
        try:
            return inner.decompress(data, STEP)
        except zlib.error as error:
            if not self._members:
                raise Unreadable("damaged") from error
            self._is_over = True
            return b""


def _is_wrapped(data: bytes) -> bool:
    """Say whether a body begins as RFC 1950 has it."""
    return data[0] & 15 == 8 and (data[0] << 8 | data[1]) % 31 == 0


def opener_of(fields: Iterable[Field]) -> Opener | None:
    """Return what opens the body of a message with these fields; None where it comes as it is.

    Raises:
        Unreadable: Nothing opens it.
    """
    codings = [coding for coding in codings_of(fields) if coding in _OPENED | _CLOSED]
    if not codings:
        return None
    if len(codings) > 1 or codings[0] in _CLOSED:
        raise Unreadable(b", ".join(codings)[:40].decode("latin-1"))
    return Inflated(codings[0])


def codings_of(fields: Iterable[Field]) -> list[bytes]:
    """Return the codings of a body, in the order in which they were applied."""
    words = [
        word.strip().lower() for field in fields if field.key == "content-encoding" for word in field.value.split(b",")
    ]
    return [word for word in words if word not in (b"", b"identity")]


def offering_readable(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Return the fields of a request, which offers to the server such codings alone as can be opened."""
    if all(field.key != _OFFER for field in fields):
        return fields
    return tuple(field._replace(value=_readable(field.value)) if field.key == _OFFER else field for field in fields)


def _readable(offer: bytes) -> bytes:
    offers = [each.strip() for each in offer.split(b",")]
    kept = [each for each in offers if each.partition(b";")[0].strip().lower() in _OFFERED]
    if len(kept) == len(offers) or not offer:
        return offer
    return b", ".join(kept) or b"identity"
