"""What the gateway asks about every message that means something, and what can be answered.

`mcp/governor.py` answers; `mcp/service.py` carries question and answer between the worker, which has the message in
hand, and the governor.
"""

from __future__ import annotations

import enum
from typing import Any, Final, Protocol

import msgspec

DENIED: Final = -32001
"""JSON-RPC code of a call that policy refuses."""
INVALID_PARAMS: Final = -32602
METHOD_NOT_FOUND: Final = -32601


class Way(enum.Enum):
    """Which end a message comes from."""

    UP = "up"
    """From the client, to the server."""
    DOWN = "down"
    """From the server, to the client."""


class At(msgspec.Struct, frozen=True, gc=False):
    """One client session of one server, which is one upstream session.

    Attributes:
        session: Number of the client session, never used twice.
        server: Name in the profile.
    """

    session: int
    server: str


class Pass(msgspec.Struct, frozen=True, tag="pass"):
    """Pass it on as it stands.

    Attributes:
        seconds: Deadline of the request; None: the server's usual one.
    """

    seconds: float | None = None


class Replace(msgspec.Struct, frozen=True, tag="replace"):
    """Pass this on in its place: params or result, JSON text."""

    payload: bytes
    seconds: float | None = None


class Refuse(msgspec.Struct, frozen=True, tag="refuse"):
    """Answer with a JSON-RPC error. A notification is dropped."""

    code: int
    message: str
    data: dict[str, Any] | None = None


class ListFirst(msgspec.Struct, frozen=True, tag="list_first"):
    """List the server's tools, each page through `result`, and ask again: no current list is known."""


Answer = Pass | Replace | Refuse | ListFirst


class Judge(Protocol):
    """Answers for one gateway. `params`, `result` and `error` are JSON text of hostile origin, bounded in length.

    Each raises AuditError when a decision could not be recorded, and nothing else.
    """

    async def request(self, at: At, method: str, params: bytes) -> Answer:
        """A client's request, before the server sees it."""

    async def result(self, at: At, method: str, params: bytes, result: bytes) -> Answer:
        """The server's result of an allowed request, before the client sees it."""

    async def failure(self, at: At, method: str, params: bytes, error: bytes) -> Answer:
        """The server's JSON-RPC error for an allowed request; `Replace` gives another error object."""

    async def reverse(self, at: At, method: str, params: bytes) -> Answer:
        """A server's request, before the client sees it."""

    async def reverse_result(self, at: At, method: str, params: bytes, result: bytes) -> Answer:
        """The client's result of an allowed request of the server, before the server sees it."""

    async def notice(self, at: At, way: Way, method: str, params: bytes) -> Answer:
        """A notification with a text or a meaning."""

    def ended(self, at: At) -> None:
        """That client session is over."""


class Governing(Judge, Protocol):
    """A judge that knows how long what it allows may take."""

    def deadline(self, server: str, tool: str | None) -> float:
        """Return how many seconds a call of a tool may take; None: any other request."""
