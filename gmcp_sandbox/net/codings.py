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
_READABLE: Final = _GZIP | {b"deflate", b"identity"}
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


class Plain:
    """No coding."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the bytes as they are."""
        yield data


class Inflated:
    """Gzip, of several members too, or deflate, which some servers send without its wrapping."""

    def __init__(self, coding: bytes) -> None:
        self._is_gzip = coding in _GZIP
        self._inner = zlib.decompressobj(_OF_GZIP if self._is_gzip else _WRAPPED)
        self._left = LONGEST
        self._is_begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next bytes say, in pieces of at most `STEP`."""
        while data:
            if self._inner.eof:  # clients take another member of gzip that follows, and leave anything else
                if not self._is_gzip:
                    return
                self._inner = zlib.decompressobj(_OF_GZIP)
            piece = self._opened(data)
            self._left -= len(piece)
            if self._left < 0:
                raise Unreadable(f"longer than {LONGEST >> 20} MiB when it is opened")
            yield piece
            data = self._inner.unused_data if self._inner.eof else self._inner.unconsumed_tail

    def _opened(self, data: bytes) -> bytes:
        try:
            piece = self._inner.decompress(data, STEP)
        except zlib.error as error:
            if self._is_gzip or self._is_begun:
                raise Unreadable("damaged") from error
            self._inner = zlib.decompressobj(_BARE)
            self._is_begun = True
            return self._opened(data)
        self._is_begun = True
        return piece


def opener_of(fields: Iterable[Field]) -> Opener:
    """Return what opens the body of a message with these fields.

    Raises:
        Unreadable: Nothing does.
    """
    codings = codings_of(fields)
    if not codings:
        return Plain()
    if len(codings) > 1 or codings[0] not in _READABLE:
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
    kept = [each.strip() for each in offer.split(b",") if each.partition(b";")[0].strip().lower() in _READABLE]
    return b", ".join(kept) or b"identity"
