"""What a session knows of the tools of its MCP servers: which may be called as they are, and what arguments they take.

Invariants: a tool that stands in no book, or that is stopped, is never called. A book does not change; a new list of a
server makes a new book, and that a new epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec


class ArgumentCheck(Protocol):
    """A tool's own schema of its arguments, compiled."""

    def fault(self, arguments: Mapping[str, Any]) -> str | None:
        """Return what is wrong with the arguments, in words for whoever made them; None when nothing is."""


class KnownTool(msgspec.Struct, frozen=True):
    """One tool as it is pinned.

    Attributes:
        check: Of its arguments; None when its schema cannot be used, and then it is stopped.
        stopped: Why it may not be called until somebody has approved it; empty when it may.
    """

    check: ArgumentCheck | None
    stopped: tuple[str, ...] = ()


class Toolbook:
    """The known tools of all servers."""

    __slots__ = ("_tools",)

    def __init__(self, tools: Mapping[str, Mapping[str, KnownTool]] | None = None) -> None:
        self._tools = dict(tools or {})

    def with_server(self, server: str, tools: Mapping[str, KnownTool]) -> Toolbook:
        """Return a book in which a server has these tools and no others."""
        return Toolbook({**self._tools, server: dict(tools)})

    def knows(self, server: str) -> bool:
        """True when the server's tools were listed."""
        return server in self._tools

    def find(self, server: str, tool: str) -> KnownTool | None:
        """Return a tool; None when its server did not list it."""
        return self._tools.get(server, {}).get(tool)
