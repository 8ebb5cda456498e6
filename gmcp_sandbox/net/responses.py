"""What an HTTP/1 response means for whoever stands in between, and how it is written anew for the agent.

How the body ends depends on the request as well (RFC 9112, 6.3). Sent on are the fields that are meant for the client,
framing and connection fields of our own, and nothing of the bytes as they came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from gmcp_sandbox.net.codings import codings_of
from gmcp_sandbox.net.framing import CHUNKED, NO_BODY, UNTIL_CLOSE, Framing, Mode
from gmcp_sandbox.net.head import Field, HeadError, ResponseHead, parse_response, response_end, write_head

if TYPE_CHECKING:
    from gmcp_sandbox.net.requests import Request

_DROPPED = frozenset({"connection", "proxy-connection", "transfer-encoding", "upgrade"})
_LENGTH = re.compile(rb"[0-9]{1,18}")


class Response(msgspec.Struct, frozen=True):
    """One response, an interim one as well.

    Attributes:
        status: Its code.
        reason: Its phrase.
        fields: Meant for the client; Content-Length is among them only where no body follows that it would frame.
        framing: How its body ends on the server's side.
        keeps: The server's connection stays open afterwards.
        upgrade: The protocol that a 101 changes to.
    """

    status: int
    reason: bytes
    fields: tuple[Field, ...]
    framing: Framing
    keeps: bool
    upgrade: bytes | None = None

    @property
    def is_interim(self) -> bool:
        """True of 1xx but 101: the final response follows."""
        return self.status < 200 and self.status != 101

    def is_raw(self, request: Request) -> bool:
        """True when the connection carries something else from here on."""
        return self.status == 101 or (request.method == "CONNECT" and 200 <= self.status < 300)


def read_response(head: ResponseHead, method: str) -> Response:
    """Return what a response to a request of this method means.

    Raises:
        HeadError: Nothing that can be passed on.
    """
    by_key: dict[str, list[bytes]] = {}
    for field in head.fields:
        by_key.setdefault(field.key, []).append(field.value)
    framing = _framing(head.status, method, by_key)
    options = {word.strip().lower() for value in by_key.get("connection", ()) for word in value.split(b",")}
    keeps = b"close" not in options and (head.minor == 1 or b"keep-alive" in options)
    left_out = _DROPPED if framing is NO_BODY else _DROPPED | {"content-length"}
    fields = tuple(field for field in head.fields if field.key not in left_out)
    upgrade = by_key.get("upgrade", [None])[0] if head.status == 101 else None
    return Response(head.status, head.reason, fields, framing, keeps and framing is not UNTIL_CLOSE, upgrade)


def _framing(status: int, method: str, by_key: dict[str, list[bytes]]) -> Framing:
    if method == "HEAD" or status < 200 or status in (204, 304) or (method == "CONNECT" and status < 300):
        return NO_BODY
    encodings = by_key.get("transfer-encoding")
    if encodings is not None:
        if b",".join(encodings).lower().strip() != b"chunked":
            raise HeadError("transfer_encoding")
        return CHUNKED
    lengths = set(by_key.get("content-length", ()))
    if not lengths:
        return UNTIL_CLOSE
    length = lengths.pop()
    if lengths or _LENGTH.fullmatch(length) is None:
        raise HeadError("content_length")
    return Framing(Mode.LENGTH, int(length))


def agent_mode(response: Response, request: Request) -> Mode:
    """Return how the body ends on the agent's side: HTTP/1.0 knows no chunks."""
    mode = response.framing.mode
    return Mode.CLOSE if mode is Mode.CHUNKED and not request.minor else mode


def write_response(response: Response, request: Request, keeps: bool, fields: Iterable[Field]) -> bytes:
    """Return the head that goes to the agent, with `fields` in the place of those of the response."""
    written = [(field.name, field.value) for field in fields]
    if response.framing.mode is Mode.LENGTH:
        written.append((b"Content-Length", b"%d" % response.framing.length))
    elif agent_mode(response, request) is Mode.CHUNKED:
        written.append((b"Transfer-Encoding", b"chunked"))
    if response.upgrade is not None:
        written += [(b"Connection", b"Upgrade"), (b"Upgrade", response.upgrade)]
    elif response.is_interim or response.is_raw(request):
        pass  # the connection goes on as it is
    elif not keeps:
        written.append((b"Connection", b"close"))
    elif not request.minor:
        written.append((b"Connection", b"keep-alive"))
    return write_head(b"HTTP/1.1 %d %b" % (response.status, response.reason), written)


class Answers:
    """Recognises whole answers of one flow's server. A server repeats its head: it is read once, as long as it does."""

    def __init__(self) -> None:
        self._head = b""
        self._for = ("", 0)
        self._written = b""
        self._length = 0
        self.is_encoded = False
        """Whether the last whole answer is compressed."""

    def whole(self, data: bytes, request: Request) -> bytes | None:
        """Return an answer as the agent gets it, when the data are exactly one, final, and both connections stay open.

        None: whatever else they are, `Exchange` finds out.
        """
        head = self._head
        if not head or self._for != (request.method, request.minor) or not data.startswith(head):
            try:
                if not self._read(data, request):
                    return None
            except HeadError:
                return None
            head = self._head
        if len(data) != len(head) + self._length:
            return None
        return self._written + data[len(head) :]

    def _read(self, data: bytes, request: Request) -> bool:
        end = response_end(data)
        if end is None:
            return False
        response = read_response(parse_response(data[:end]), request.method)
        is_bounded = response.framing is NO_BODY or response.framing.mode is Mode.LENGTH
        if response.status < 200 or response.is_raw(request) or not response.keeps or not is_bounded:
            return False
        self._head, self._for, self._length = data[:end], (request.method, request.minor), response.framing.length
        self._written = write_response(response, request, True, response.fields)
        self.is_encoded = bool(codings_of(response.fields))
        return True


def own_response(status: int, phrase: str, text: str) -> bytes:
    """Return a whole response of our own: one line of text, after which the connection is closed."""
    body = f"{text}\n".encode()
    fields = [
        (b"Content-Type", b"text/plain; charset=utf-8"),
        (b"Content-Length", b"%d" % len(body)),
        (b"Cache-Control", b"no-store"),
        (b"Connection", b"close"),
    ]
    return write_head(b"HTTP/1.1 %d %b" % (status, phrase.encode("ascii")), fields) + body
