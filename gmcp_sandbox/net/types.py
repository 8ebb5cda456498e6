"""What the parts of the network shell say to each other.

Plumbing (flows, relay, datagrams) asks names and addresses where to dial, and the application layer what to do with a
flow that is open. Nothing here does anything.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec
import trio


class Target(msgspec.Struct, frozen=True):
    """What a connect is for.

    Attributes:
        host: The name that the dialled address is bound to, or the literal address itself.
        port: Destination port.
        address: What the agent dialled, fake or literal, in canonical text.
        is_literal: No name is bound to the address.
    """

    host: str
    port: int
    address: str
    is_literal: bool


class Dialled(NamedTuple):
    """An upstream connection.

    Attributes:
        stream: Connected; the caller closes it.
        address: The checked address that was really dialled; through a proxy, that of the proxy is said as "proxy".
    """

    stream: trio.SocketStream
    address: str


class DialError(Exception):
    """There is no upstream connection.

    Attributes:
        errno: The true result, as the agent's connect() shall see it: ECONNREFUSED, EHOSTUNREACH, ETIMEDOUT …; EACCES
            when the policy refuses every address of the name.
        reason: One lower-case word for the record: "refused", "unreachable", "timeout", "unresolved",
            "refused_address" …
    """

    def __init__(self, errno: int, reason: str) -> None:
        super().__init__(errno, reason)
        self.errno = errno
        self.reason = reason


class Endpoint(NamedTuple):
    """One end of a flow: an address in canonical text, and a port."""

    address: str
    port: int


class Dialer(Protocol):
    """Opens upstream connections from the host's network."""

    async def dial(self, target: Target) -> Dialled:
        """Resolve, check every address, and connect to a checked one, in a bounded time. The call is already allowed.

        Raises:
            DialError: With the upstream's true result.
        """


class Locator(Protocol):
    """Finds where a datagram for a target goes."""

    async def locate(self, target: Target) -> str:
        """Resolve, check every address, and return a checked one in canonical text. The call is already allowed.

        Raises:
            DialError: There is none, or the policy refuses every one (EACCES).
        """


class NameTable(Protocol):
    """Knows which name an address of the fake pool stands for."""

    def name_of(self, address: str) -> str | None:
        """Return the name that a fake address is bound to, or None. Must be quick: it is asked for every flow."""


class DatagramService(Protocol):
    """Answers datagrams itself, for example DNS questions."""

    async def answer(self, payload: bytes, source: Endpoint, destination: Endpoint) -> bytes | None:
        """Return the reply's payload, or None for no reply. Never raises for hostile bytes."""


class Closing(msgspec.Struct, frozen=True):
    """How a flow ended, for the "flow" event.

    Attributes:
        up: Bytes from the agent to the upstream.
        down: Bytes from the upstream to the agent.
        seconds: How long it was open.
        how: One word: "closed", "reset", "idle", "revoked", "refused", "ended" …
    """

    up: int
    down: int
    seconds: float
    how: str


class HandOff(msgspec.Struct, frozen=True):
    """From here on the flow is raw: both sockets go to the relay.

    Attributes:
        up: Bytes already read from the agent that the upstream still has to get.
        down: Bytes already read from the upstream that the agent still has to get.
        sent_up: Bytes that the application layer itself has already passed to the upstream.
        sent_down: Bytes that the application layer itself has already passed to the agent.
    """

    up: bytes = b""
    down: bytes = b""
    sent_up: int = 0
    sent_down: int = 0


class Moved(Protocol):
    """Told of bytes that have just gone up, and come down."""

    def __call__(self, up: int, down: int) -> None:
        """Must be quick: it is called for every piece."""


class Converse(Protocol):
    """The application layer of one flow."""

    async def __call__(
        self, target: Target, agent: trio.SocketStream, upstream: trio.SocketStream, moved: Moved
    ) -> Closing | HandOff:
        """Read the first bytes, mediate what they say, then relay the flow to its end or hand it off.

        `moved` is told of bytes as it passes them; the outcome's figures are their sums. Both streams stay the
        caller's: it closes them, after a `Closing` too. Cancelled when the session ends, the policy revokes the flow,
        or it is idle for too long. Never raises for what either side sends.
        """
