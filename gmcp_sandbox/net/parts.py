"""What the network shell is put together from: the policy, the one door, and the parts that others can replace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec
import trio

from gmcp_sandbox.monitor.mediator import PromptMediator
from gmcp_sandbox.net.types import Converse, DatagramService, Dialer, Locator, NameTable, Target
from gmcp_sandbox.policy.network import Network as Policy

DNS_PORT = 53


class Event(Protocol):
    """Writes something down that is no decision."""

    def __call__(self, name: str, **fields: Any) -> None:
        """Raises AuditError when it is not written."""


class Parts(msgspec.Struct, frozen=True):
    """The parts of one session's network.

    Attributes:
        count: Told of bytes: kind ("net.bytes_up", "net.bytes_down"), host, amount.
        event: Takes the end of each flow down.
        adopt: Has all parts go by other rules about hosts.
        beside: What the application layer needs to have running.
    """

    policy: Policy
    mediator: PromptMediator
    names: NameTable
    dns: DatagramService
    dialer: Dialer
    locator: Locator
    converse: Converse
    count: Callable[[str, str, int], None]
    event: Event
    adopt: Callable[[Policy], None]
    beside: Callable[[], Awaitable[None]] = trio.sleep_forever

    def target(self, address: str, port: int) -> Target:
        """Return what a packet to this address is for."""
        name = self.names.name_of(address)
        return Target(name or address, port, address, name is None)
