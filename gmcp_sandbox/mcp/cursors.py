"""Where the lists of a client session go on: a word of ours stands for what the server said.

A cursor is a text that means something to the server alone. From the client it would be one that nobody has judged, and
to the client one that nobody has read: so the client is told a number made from it, and the server gets its own back.

Guarantees: pure; a cursor of one server gets the same word each time; `_MOST` cursors a session and list are
remembered, the latest; a word that was not told for that list of that session means nothing.
"""

from __future__ import annotations

import os
from typing import Any, Final

from blake3 import blake3

from gmcp_sandbox.mcp.answers import At

_MOST: Final = 256
_LONGEST: Final = 4096
_BYTES: Final = 12
"""Of a word: as many as nobody guesses or makes two cursors of."""


class Cursors:
    """Those of all sessions."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._told: dict[At, dict[str, dict[str, str]]] = {}

    def word(self, cursor: str) -> str:
        """Return the word that stands for a cursor."""
        return blake3(cursor.encode("utf-8", "surrogatepass"), key=self._key).hexdigest(length=_BYTES)

    def tell(self, at: At, method: str, result: dict[str, Any]) -> dict[str, Any]:
        """Return a server's answer with the word in place of where it says that its list goes on; what is none goes."""
        if not method.endswith("/list") or "nextCursor" not in result:
            return result
        cursor = result["nextCursor"]
        left = {name: value for name, value in result.items() if name != "nextCursor"}
        if not isinstance(cursor, str):
            return left
        word = self.word(cursor)
        if len(cursor) <= _LONGEST:
            self._remember(at, method, word, cursor)
        return {**left, "nextCursor": word}

    def meant(self, at: At, method: str, word: str) -> str | None:
        """Return the cursor that this session was told as that word, for this list; None: there is none."""
        return self._told.get(at, {}).get(method, {}).get(word)

    def forget(self, at: At) -> None:
        """That session is over."""
        self._told.pop(at, None)

    def _remember(self, at: At, method: str, word: str, cursor: str) -> None:
        told = self._told.setdefault(at, {}).setdefault(method, {})
        told.pop(word, None)
        told[word] = cursor
        if len(told) > _MOST:
            del told[next(iter(told))]
