"""Upstream connections: resolved, checked, and dialled at the very address that was checked.

Invariants:
- Every address that is dialled was checked for this target right before: public, or named by a grant of the host; none
  of this machine's own unless a grant names exactly it.
- A name is resolved here and nowhere earlier, after its call was allowed.
- The host's loopback is reached at the ports of host services, and in no other way.
- Where a proxy resolves names (`proxy_resolves`), it is told the name, and the record says "delegated".

Several addresses are tried side by side, the next one `_HEAD_START` after the last (RFC 8305, without its sorting: the
host's resolver has sorted them).
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Callable, Iterable
from itertools import chain, zip_longest
from typing import Final

import trio

from gmcp_sandbox.net.proxy import Proxy, open_tunnel
from gmcp_sandbox.net.resolve import Resolver
from gmcp_sandbox.net.types import DialError, Dialled, Target
from gmcp_sandbox.policy.addresses import Address, canonical, parse_address
from gmcp_sandbox.policy.hostrules import HostRules
from gmcp_sandbox.policy.network import SERVICE_HOST

_HEAD_START: Final = 0.25
_REFUSED_SECONDS: Final = 30.0
_REMEMBERED: Final = 512
_LOOPBACK: Final = ("127.0.0.1", "::1")
_TELLING: Final = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT)
"""Of several failures, the one that says most comes first."""
_REASONS: Final = {
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.ETIMEDOUT: "timeout",
}


class Dial:
    """Dialer and locator of one session.

    Args:
        is_own: Whether an address is one of this machine's.
        proxy: The host's way out, if it has one.
    """

    def __init__(
        self, rules: HostRules, resolver: Resolver, is_own: Callable[[Address], bool], proxy: Proxy | None = None
    ) -> None:
        self._rules = rules
        self._resolver = resolver
        self._is_own = is_own
        self._proxy = proxy
        self._seconds = rules.network.connect_seconds
        self._refused: dict[tuple[str, int], float] = {}
        """Until when an address and port are tried last."""

    def use(self, rules: HostRules) -> None:
        """Go by other rules from the next dial on."""
        self._rules = rules

    async def dial(self, target: Target) -> Dialled:
        """Return a connection to a target whose call is already allowed.

        Raises:
            DialError: With the upstream's true result; EACCES when every address is refused.
        """
        with trio.move_on_after(self._seconds):
            return await self._dial(target)
        raise DialError(errno.ETIMEDOUT, "timeout")

    async def _dial(self, target: Target) -> Dialled:
        if target.host == SERVICE_HOST:
            return await self._dial_service(target)
        proxy = self._proxy
        if proxy is None or not proxy.serves(target.host):
            return await self._dial_directly(await self._checked(target), target.port)
        if self._rules.network.proxy_resolves and not target.is_literal:
            return Dialled(await open_tunnel(proxy, target.host, target.port), "proxy, delegated")
        return await self._dial_through(proxy, target)

    async def _dial_directly(self, checked: list[Address], port: int) -> Dialled:
        """Dial the addresses in their order, those last that refused a short time ago."""
        now = trio.current_time()

        def failed(address: str) -> None:
            if len(self._refused) >= _REMEMBERED:
                self._refused.clear()
            self._refused[address, port] = now + _REFUSED_SECONDS

        addresses = interleaved(checked)
        if self._refused:
            addresses.sort(key=lambda address: self._refused.get((address, port), 0.0) > now)
        return await race(addresses, port, failed)

    async def _dial_service(self, target: Target) -> Dialled:
        port = self._rules.host_port(target.host, target.port)
        if port is None:
            raise DialError(errno.EACCES, "refused_address")
        return await race(_LOOPBACK, port)

    async def _dial_through(self, proxy: Proxy, target: Target) -> Dialled:
        failures = []
        for address in interleaved(await self._checked(target)):
            try:
                return Dialled(await open_tunnel(proxy, address, target.port), f"{address}, proxy")
            except DialError as error:
                if error.errno == errno.EACCES:
                    raise
                failures.append(error)
        raise failures[0]

    async def locate(self, target: Target) -> str:
        """Return a checked address of a target, whose call is already allowed, for datagrams.

        Raises:
            DialError: There is none; EACCES when every one is refused.
        """
        if target.host == SERVICE_HOST:
            raise DialError(errno.EACCES, "refused_address")
        with trio.move_on_after(self._seconds):
            return canonical((await self._checked(target))[0])
        raise DialError(errno.ETIMEDOUT, "timeout")

    async def _checked(self, target: Target) -> list[Address]:
        literal = parse_address(target.host)
        if (literal is None) == target.is_literal:
            raise DialError(errno.EACCES, "refused_address")
        found = (literal,) if literal is not None else await self._resolver.addresses(target.host)
        checked = [
            address
            for address in found
            if self._rules.permits_address(target.host, address, is_own=self._is_own(address))
        ]
        if not checked:
            raise DialError(errno.EACCES, "refused_address")
        return checked


def interleaved(addresses: Iterable[Address]) -> list[str]:
    """Return the texts, the two families by turns, the family of the first one first."""
    found = list(addresses)
    first = [each for each in found if each.version == found[0].version]
    second = [each for each in found if each.version != found[0].version]
    mixed = chain.from_iterable(zip_longest(first, second))
    return [canonical(each) for each in mixed if each is not None]


async def race(addresses: Iterable[str], port: int, failed: Callable[[str], None] = lambda _: None) -> Dialled:
    """Return the first connection that comes about. An address that fails at once costs no race, only the next one.

    Args:
        failed: Told of addresses that refused before the race began.

    Raises:
        DialError: None does.
    """
    left = list(addresses)
    failures: list[int] = []
    while left:
        address, *left = left
        try:
            sock = begin(address, port)
            if left and not await _settles(sock):
                return await _race([address, *left], port, failures, sock)
            return Dialled(await finish(sock), address)
        except OSError as error:
            failed(address)
            failures.append(error.errno or errno.EHOSTUNREACH)
    raise _failure(failures)


async def _race(addresses: list[str], port: int, failures: list[int], begun: socket.socket | None) -> Dialled:
    """Go on with several addresses; a connection to the first of them may have begun, and had its head start."""
    winners: list[Dialled] = []

    async def attempt(address: str, sock: socket.socket | None, failed: trio.Event) -> None:
        try:
            stream = await finish(begin(address, port) if sock is None else sock)
        except OSError as error:
            failures.append(error.errno or errno.EHOSTUNREACH)
            failed.set()
            return
        winners.append(Dialled(stream, address))
        nursery.cancel_scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            for address in addresses:
                failed = trio.Event()
                nursery.start_soon(attempt, address, begun, failed)
                head_start, begun = 0.0 if begun else _HEAD_START, None
                with trio.move_on_after(head_start):
                    await failed.wait()
    except BaseException:
        _close(winners)
        raise
    if not winners:
        raise _failure(failures)
    _close(winners[1:])
    return winners[0]


def _close(connections: Iterable[Dialled]) -> None:
    for each in connections:
        each.stream.socket.close()


async def connect(address: str, port: int) -> trio.SocketStream:
    """Return a connection to one address. Raises OSError."""
    return await finish(begin(address, port))


def begin(address: str, port: int) -> socket.socket:
    """Return a socket that connects to one address. Raises OSError when that fails at once."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    code = sock.connect_ex((address, port))
    if code not in (0, errno.EINPROGRESS):
        sock.close()
        raise OSError(code, os.strerror(code))
    return sock


async def finish(sock: socket.socket) -> trio.SocketStream:
    """Wait for a connection that has begun. Raises OSError; the socket is closed then."""
    try:
        if not _is_settled(sock):
            await trio.lowlevel.wait_writable(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        return trio.SocketStream(trio.socket.from_stdlib_socket(sock))
    except BaseException:
        sock.close()
        raise


async def _settles(sock: socket.socket) -> bool:
    """Give a connection its head start; return whether it has come about, or failed. Cut off, the socket is closed."""
    if _is_settled(sock):
        return True
    try:
        with trio.move_on_after(_HEAD_START):
            await trio.lowlevel.wait_writable(sock)
    except BaseException:
        sock.close()
        raise
    return _is_settled(sock)


def _is_settled(sock: socket.socket) -> bool:
    """True when a connection has come about, or failed: on this machine itself that is at once."""
    poller = select.poll()
    poller.register(sock, select.POLLOUT)
    return bool(poller.poll(0))


def _failure(codes: list[int]) -> DialError:
    code = next((each for each in _TELLING if each in codes), codes[0] if codes else errno.EHOSTUNREACH)
    return DialError(code, _REASONS.get(code, "unreachable"))
