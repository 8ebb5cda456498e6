"""Where the lists of a client session go on: a client may say only what its server has said before.

A cursor is a text that means something to the server alone; from the client it would be one that nobody has judged.

Guarantees: pure; `_MOST` cursors a session and list are remembered, the latest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gmcp_sandbox.mcp.answers import At

_MOST: Final = 256
_LONGEST: Final = 4096


class Cursors:
    """Those of all sessions."""

    def __init__(self) -> None:
        self._told: dict[At, dict[str, dict[str, None]]] = {}

    def learn(self, at: At, method: str, result: Mapping[str, Any]) -> None:
        """Remember where a server says that its list goes on."""
        cursor = result.get("nextCursor")
        if not isinstance(cursor, str) or len(cursor) > _LONGEST:
            return
        told = self._told.setdefault(at, {}).setdefault(method, {})
        told.pop(cursor, None)
        told[cursor] = None
        if len(told) > _MOST:
            del told[next(iter(told))]

    def knows(self, at: At, method: str, params: Mapping[str, Any] | None) -> bool:
        """True unless a request names a cursor that this session was not told for this list."""
        cursor = None if params is None else params.get("cursor")
        if not isinstance(cursor, str) or not method.endswith("/list"):
            return True
        return cursor in self._told.get(at, {}).get(method, {})

    def forget(self, at: At) -> None:
        """That session is over."""
        self._told.pop(at, None)
