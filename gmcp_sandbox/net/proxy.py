"""The host's way out, where there is one: an HTTP proxy that opens tunnels (CONNECT, RFC 9110, 9.3.6).

Guarantees: a password of the proxy's stands in no message, record or error. What a proxy answers is read up to the end
of its head and not a byte further, so that the tunnel begins with what the upstream said.
"""

from __future__ import annotations

import base64
import errno
import ipaddress
import re
import socket
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec
import trio

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.net.types import DialError
from gmcp_sandbox.policy.addresses import parse_address

_LONGEST_HEAD: Final = 16 << 10
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r\n]")
_ERRNO: Final = {
    400: errno.EHOSTUNREACH,
    401: errno.EACCES,
    403: errno.EACCES,
    405: errno.EACCES,
    407: errno.EACCES,
    502: errno.ECONNREFUSED,
    503: errno.EHOSTUNREACH,
    504: errno.ETIMEDOUT,
}


class Proxy(msgspec.Struct, frozen=True):
    """A proxy, and whom to reach without it.

    Attributes:
        host: Name or address.
        port: Of its HTTP.
        authorization: Value of its header, or None.
        bypassed: Patterns of NO_PROXY.
    """

    host: str
    port: int
    authorization: str | None = None
    bypassed: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"

    def serves(self, host: str) -> bool:
        """True when a host (a name, or a literal address) is reached through the proxy."""
        return not any(_covers(pattern, host) for pattern in self.bypassed)


def proxy_of(wanted: str, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that a profile's `net.proxy` means on this host, or None.

    Raises:
        HostError: The environment names one that cannot be used; a way around it is not taken.
    """
    if wanted == "none":
        return None
    if wanted != "environment":
        return _parsed(wanted, ())
    text = _variable(environ, "HTTPS_PROXY") or _variable(environ, "ALL_PROXY") or _variable(environ, "HTTP_PROXY")
    if not text:
        return None
    bypassed = tuple(word for word in re.split(r"[,\s]+", _variable(environ, "NO_PROXY").lower()) if word)
    return _parsed(text, bypassed)


def _variable(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name.lower()) or environ.get(name) or "").strip()


def _parsed(text: str, bypassed: tuple[str, ...]) -> Proxy:
    if "://" not in text:
        text = "http://" + text
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        host, port, parts = None, 0, urlsplit("")
    if host is None or parts.scheme != "http":
        hint = 'set net.proxy = "none" or "http://host:port", or unset HTTPS_PROXY'
        raise HostError("the host's proxy cannot be used", cause="only http:// proxies open tunnels here", hint=hint)
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    return Proxy(host, port, authorization, bypassed)


def _covers(pattern: str, host: str) -> bool:
    """True when a word of NO_PROXY means a host: `*`, a name and all below it, an address, a network."""
    if pattern == "*":
        return True
    address = parse_address(host)
    if address is None:
        stem = pattern.removeprefix("*").lstrip(".")
        return host == stem or host.endswith("." + stem)
    try:
        network = ipaddress.ip_network(pattern.strip("[]"), strict=False)
    except ValueError:
        return False
    return network.version == address.version and address in network


async def open_tunnel(proxy: Proxy, host: str, port: int) -> trio.SocketStream:
    """Return a stream that leads to a host (a name, or an address) through the proxy.

    Raises:
        DialError: The proxy, or the host behind it, cannot be reached, or the proxy refuses.
    """
    try:
        stream = await trio.open_tcp_stream(proxy.host, proxy.port)
    except OSError:
        raise DialError(errno.EHOSTUNREACH, "proxy_unreachable") from None
    try:
        await stream.send_all(_request(proxy, host, port))
        status = _status(await _read_head(stream.socket))
        if not 200 <= status < 300:
            raise DialError(_ERRNO.get(status, errno.EHOSTUNREACH), f"proxy_{status}" if status else "proxy_confused")
    except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
        await trio.aclose_forcefully(stream)
        raise DialError(errno.EHOSTUNREACH, "proxy_closed") from None
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream


def _request(proxy: Proxy, host: str, port: int) -> bytes:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


async def _read_head(sock: trio.socket.SocketType) -> bytes:
    """Return the head of the answer; what follows stays in the socket."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        if len(head) >= _LONGEST_HEAD:
            return b""
        seen = await sock.recv(_LONGEST_HEAD - len(head), socket.MSG_PEEK)
        if not seen:
            return b""
        end = (head + seen).find(b"\r\n\r\n")
        wanted = len(seen) if end < 0 else end + 4 - len(head)
        head += await sock.recv(wanted)
    return head


def _status(head: bytes) -> int:
    found = _STATUS.match(head)
    return int(found[1]) if found else 0
