"""Names to addresses, by the host's own resolver, in threads.

Guarantees: the loop never waits; at most `_THREADS` questions are under way, each for at most `seconds`. What comes
back is a list of addresses, and nothing else that a resolver may say (zones, canonical names).

An answer is remembered for a few seconds, for the several connections that programs open at once. Every use checks the
addresses again, and dials the one that it checked, so that a later answer changes nothing about an earlier check.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Final

import trio

from gmcp_sandbox.net.types import DialError
from gmcp_sandbox.policy.addresses import Address, parse_address

_THREADS: Final = 16
_REMEMBER_SECONDS: Final = 5.0
_REMEMBERED: Final = 512
_MOST_ADDRESSES: Final = 64

Lookup = Callable[[str], list[str]]
"""Takes a name, returns the texts of its addresses in the order to try them. May block; raises OSError."""


class Resolver:
    """Remembers what it was told for a moment."""

    def __init__(self, lookup: Lookup | None = None, seconds: float = 10.0) -> None:
        self._lookup = lookup or ask_host
        self._seconds = seconds
        self._limiter = trio.CapacityLimiter(_THREADS)
        self._known: dict[str, tuple[float, tuple[Address, ...]]] = {}

    async def addresses(self, name: str) -> tuple[Address, ...]:
        """Return the addresses of a name, without repetitions; never empty.

        Raises:
            DialError: It has none, or the resolver did not answer in time.
        """
        known = self._known.get(name)
        if known is not None and known[0] > trio.current_time():
            return known[1]
        found = await self._ask(name)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[name] = (trio.current_time() + _REMEMBER_SECONDS, found)
        return found

    async def _ask(self, name: str) -> tuple[Address, ...]:
        try:
            with trio.fail_after(self._seconds):
                texts = await trio.to_thread.run_sync(self._lookup, name, limiter=self._limiter, abandon_on_cancel=True)
        except trio.TooSlowError:
            raise DialError(errno.ETIMEDOUT, "resolver_timeout") from None
        except (OSError, UnicodeError):
            raise DialError(errno.EHOSTUNREACH, "unresolved") from None
        parsed = dict.fromkeys(parse_address(text) for text in texts)
        found = tuple(address for address in parsed if address is not None)[:_MOST_ADDRESSES]
        if not found:
            raise DialError(errno.EHOSTUNREACH, "unresolved")
        return found


def ask_host(name: str) -> list[str]:
    """Return what getaddrinfo(3) says, in its order."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
