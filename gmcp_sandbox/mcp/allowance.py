"""How much a server may say by itself: what is more is dropped, before anybody judges or records it."""

from __future__ import annotations

from typing import Final

import trio

BURST: Final = 1000
_PER_SECOND: Final = 200.0


class Allowance:
    """Of one session."""

    __slots__ = ("_at", "_left", "dropped")

    def __init__(self) -> None:
        self._left = float(BURST)
        self._at: float | None = None
        self.dropped = 0

    def take(self) -> bool:
        """True when one more may pass."""
        now = trio.current_time()
        if self._at is not None:
            self._left = min(BURST, self._left + (now - self._at) * _PER_SECOND)
        self._at = now
        if self._left < 1:
            self.dropped += 1
            return False
        self._left -= 1
        return True
