"""What an HTTP/1 request means, and how it is written anew: one meaning, or it is refused.

`read_request` turns a well-formed head into a `Request`: the target in origin form, the host that it names, how its
body ends, and the fields that are meant for the server. `write_request` makes the head that goes upstream out of
nothing else, so that a server sees what was judged. Fields of the connection (RFC 9110, 7.6.1) stop here.

Refused are the forms by which two readers come to see different requests: Content-Length beside Transfer-Encoding,
several of either or of Host, lengths that are no plain number, encodings other than `chunked`, absolute targets of
another scheme.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

import msgspec

from gmcp_sandbox.net.codings import offering_readable
from gmcp_sandbox.net.framing import CHUNKED, NO_BODY, Framing, Mode
from gmcp_sandbox.net.head import Field, HeadError, RequestHead, origin_line, parse_request, write_head

HOP_BY_HOP = frozenset(
    {"connection", "http2-settings", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}
)
_OURS = frozenset({"host", "content-length"})
_KEPT_WHATEVER = frozenset({"host", "content-length", "transfer-encoding", "trailer", "authorization", "cookie"})
"""Fields that a Connection field cannot make to be dropped or read differently."""
_LONGEST_REMEMBERED = 8 << 10
_PORTS = {"http": 80, "https": 443}

_LENGTH = re.compile(rb"[0-9]{1,18}")
_AUTHORITY = re.compile(
    r"(?:(?P<name>[A-Za-z0-9._-]{1,254})|\[(?P<v6>[0-9A-Fa-f:.]{2,45})\])(?::(?P<port>[0-9]{1,5}))?"
)
_ABSOLUTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?]*)(.*)")


class Authority(msgspec.Struct, frozen=True):
    """A host and a port, as a request names them: the name in lower case without its last dot, addresses canonical."""

    host: str
    port: int | None


class Request(msgspec.Struct, frozen=True):
    """One request with its one meaning.

    Attributes:
        method: As it was written; methods have case.
        target: Origin form, `*`, or, of CONNECT, the authority.
        authority: The host that the request names; None in an HTTP/1.0 request that names none.
        fields: Meant for the server; Host and what frames the body are not among them.
        framing: How its body ends.
        keeps: The connection stays open afterwards, as far as the client is concerned.
        minor: Of the client's HTTP/1 version.
        upgrade: The protocol that the client wants to speak instead; None when it wants none, or only h2c, which a
            server may ignore and an intermediary must not pass on.
        names: Names of the fields in lower case, for the tool call.
    """

    method: str
    target: str
    authority: Authority | None
    fields: tuple[Field, ...]
    framing: Framing
    keeps: bool
    minor: int
    upgrade: str | None
    names: tuple[str, ...]

    @property
    def has_body(self) -> bool:
        """True when bytes follow the head."""
        return _has_body(self.framing)

    @property
    def is_plain(self) -> bool:
        """True when nothing follows its head, and the connection stays what it is."""
        return self.framing is NO_BODY and self.upgrade is None and self.method != "CONNECT"


def read_request(head: RequestHead, scheme: str) -> Request:
    """Return what a request means that came over a flow of this scheme.

    Raises:
        HeadError: It could mean several things, or nothing that can be passed on.
    """
    by_key: dict[str, list[bytes]] = {}
    for field in head.fields:
        by_key.setdefault(_plain_key(field.key), []).append(field.value)
    options = _options(by_key.get("connection", []))
    target, authority = _destination(head, scheme, _only(by_key, "host", "several_hosts"))
    if authority is None and head.minor:
        raise HeadError("no_host")
    framing = _framing(head, by_key)
    upgrade = _upgrade(by_key, options)
    if _has_body(framing) and (upgrade is not None or head.method == "CONNECT"):
        raise HeadError("body_before_raw")
    if by_key.get("expect", [b"100-continue"])[0].lower() != b"100-continue":
        raise HeadError("expectation")
    fields = _end_to_end(head.fields, options - _KEPT_WHATEVER, _OURS)
    return Request(
        head.method,
        target,
        authority,
        fields,
        framing,
        "close" not in options and (head.minor == 1 or "keep-alive" in options),
        head.minor,
        upgrade,
        tuple(field.key for field in fields),
    )


class Reader:
    """Reads the requests of one flow. A client repeats its fields: they are read once, as long as they stay the same.

    Equal bytes behind the request line mean equal fields. Only requests are remembered whose meaning hangs on nothing
    else: no body, no change of protocol, a target in origin form. With `is_readable` they offer to the server what
    `codings.py` can open, and nothing else.
    """

    def __init__(self, scheme: str, *, is_readable: bool = False) -> None:
        self._scheme = scheme
        self._is_readable = is_readable
        self._block = b""
        self._last: Request | None = None

    def read(self, head: bytes) -> Request:
        """Return what a complete request head means.

        Raises:
            HeadError: As of `parse_request` and `read_request`.
        """
        line, _, block = head.partition(b"\r\n")
        last = self._last
        if last is not None and block == self._block:
            first = origin_line(line)
            if first is not None and first[2] == last.minor:
                return _another(last, first[0], first[1])
        request = read_request(parse_request(head), self._scheme)
        if self._is_readable:
            request = msgspec.structs.replace(request, fields=offering_readable(request.fields))
        if request.is_plain and origin_line(line) is not None and len(head) <= _LONGEST_REMEMBERED:
            self._block, self._last = block, request
        return request


def _another(last: Request, method: str, target: str) -> Request:
    if last.method == method and last.target == target:
        return last
    return Request(
        method, target, last.authority, last.fields, last.framing, last.keeps, last.minor, last.upgrade, last.names
    )


def _plain_key(key: str) -> str:
    """Refuse names that gateways fold to those that frame a message (`Content_Length`)."""
    if "_" in key and key.replace("_", "-") in HOP_BY_HOP | _OURS:
        raise HeadError("field_name")
    return key


def _only(by_key: dict[str, list[bytes]], key: str, fault: str) -> bytes | None:
    values = by_key.get(key)
    if values is None:
        return None
    if len(values) > 1:
        raise HeadError(fault)
    return values[0]


def _options(values: Iterable[bytes]) -> frozenset[str]:
    return frozenset(word.strip().lower().decode("latin-1") for value in values for word in value.split(b","))


def _destination(head: RequestHead, scheme: str, host: bytes | None) -> tuple[str, Authority | None]:
    """Return the target in origin form and the authority; both ways to name a host must agree."""
    named = None if host is None else read_authority(host.decode("latin-1"))
    if head.method == "CONNECT":
        authority = read_authority(head.target)
        if named is not None and named.port is None:
            named = Authority(named.host, authority.port)  # some clients leave it out
        return head.target, _agreed(authority, named)
    if head.target.startswith("/") or (head.target == "*" and head.method == "OPTIONS"):
        return head.target, named
    absolute = _ABSOLUTE.fullmatch(head.target)
    if absolute is None:
        raise HeadError("target")
    if absolute[1].lower() != scheme:
        raise HeadError("scheme")
    rest = absolute[3]
    return rest if rest.startswith("/") else f"/{rest}", _agreed(read_authority(absolute[2]), named)


def _agreed(authority: Authority, named: Authority | None) -> Authority:
    if named is not None and named != authority:
        raise HeadError("several_hosts")
    return authority


def read_authority(text: str) -> Authority:
    """Return the host and port that `host[:port]` names; user information is refused.

    Raises:
        HeadError: It names none.
    """
    parts = _AUTHORITY.fullmatch(text)
    if parts is None:
        raise HeadError("host")
    port = None if parts["port"] is None else int(parts["port"])
    if port is not None and not 0 < port < 65536:
        raise HeadError("host")
    if parts["name"] is not None:
        return Authority(parts["name"].lower().removesuffix("."), port)
    try:
        return Authority(str(ipaddress.IPv6Address(parts["v6"])), port)
    except ValueError as error:
        raise HeadError("host") from error


def _framing(head: RequestHead, by_key: dict[str, list[bytes]]) -> Framing:
    length = _only(by_key, "content-length", "several_lengths")
    encoding = _only(by_key, "transfer-encoding", "transfer_encoding")
    if encoding is not None:
        if length is not None:
            raise HeadError("length_and_encoding")
        if encoding.lower() != b"chunked" or not head.minor:
            raise HeadError("transfer_encoding")
        return CHUNKED
    if length is None:
        return NO_BODY
    if _LENGTH.fullmatch(length) is None:
        raise HeadError("content_length")
    return Framing(Mode.LENGTH, int(length))


def _has_body(framing: Framing) -> bool:
    return framing.mode is Mode.CHUNKED or framing.length > 0


def _upgrade(by_key: dict[str, list[bytes]], options: frozenset[str]) -> str | None:
    values = by_key.get("upgrade")
    if values is None or "upgrade" not in options:
        return None
    wanted = _options(values) - {"h2c"}
    return ", ".join(sorted(wanted)) or None


def _end_to_end(fields: Iterable[Field], named: frozenset[str], others: frozenset[str]) -> tuple[Field, ...]:
    left_out = HOP_BY_HOP | others | named
    return tuple(field for field in fields if field.key not in left_out)


def authority_bytes(host: str, port: int, scheme: str) -> bytes:
    """Return the Host field of a host: the port only where the scheme does not imply it."""
    shown = f"[{host}]" if ":" in host else host
    return (shown if port == _PORTS[scheme] else f"{shown}:{port}").encode("ascii")


def write_request(request: Request, host: bytes, fields: Iterable[Field]) -> bytes:
    """Return the head that goes upstream, with `fields` in the place of those of the request."""
    written = [(b"Host", host), *((field.name, field.value) for field in fields)]
    if request.framing.mode is Mode.LENGTH:
        written.append((b"Content-Length", b"%d" % request.framing.length))
    elif request.framing.mode is Mode.CHUNKED:
        written.append((b"Transfer-Encoding", b"chunked"))
    if request.upgrade is not None:
        written += [(b"Connection", b"Upgrade"), (b"Upgrade", request.upgrade.encode("latin-1"))]
    elif not request.keeps:
        written.append((b"Connection", b"close"))
    return write_head(b"%b %b HTTP/1.1" % (request.method.encode(), request.target.encode()), written)


class Writer:
    """Writes the requests of one flow. What stands behind the request line is written once, while it is the same."""

    def __init__(self) -> None:
        self._fields: tuple[Field, ...] | None = None
        self._key: tuple[bytes, bool] = (b"", False)
        self._tail = b""

    def write(self, request: Request, host: bytes, fields: tuple[Field, ...]) -> bytes:
        """Return what `write_request` returns."""
        is_plain = request.is_plain
        if is_plain and fields is self._fields and self._key == (host, request.keeps):
            return b"%b %b HTTP/1.1\r\n%b" % (request.method.encode(), request.target.encode(), self._tail)
        written = write_request(request, host, fields)
        if is_plain:
            self._fields, self._key = fields, (host, request.keeps)
            self._tail = written.partition(b"\r\n")[2]
        return written
