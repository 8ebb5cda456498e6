"""What comes in from the network, as pages and as files, is read for orders to a model before it is passed on.

A page and what is written to a file are seen in pieces as they come. The places that may hold orders are found at once
(`pipeline/orders.py`); patterns and gate are asked about each.

Guarantees:
- When `look` returns, a place that was taken for orders has tainted the session, and that stands in the record. So who
  passes a piece on after it, passes it into a session that is tainted.
- More places than are asked about in one piece are a hit by themselves: nothing hides behind the bound.
- A session that is tainted is not asked about again: the taint only grows.
"""

from __future__ import annotations

import enum
from typing import Final, Protocol

from gmcp_sandbox.calls.labels import UNTRUSTED_INSTRUCTIONS
from gmcp_sandbox.pipeline.incoming import Incoming
from gmcp_sandbox.pipeline.orders import windows_of_orders
from gmcp_sandbox.policy.state import SessionState


class Source(enum.StrEnum):
    """What the gate is told that a text is; its name was chosen by whoever wrote it, and stands in the record alone."""

    PAGE = "web page"
    FILE = "file"


_PLACES: Final = 48
"""Places of one piece that the gate is asked about."""


class Reads(Protocol):
    """Who judges texts that come in."""

    async def judge_incoming(self, text: str, source: str, *, where: str = "", is_excerpt: bool = False) -> Incoming:
        """Judge a text for orders to its reader, record it, and taint the session."""

    def distrust(self, source: str, why: str, chars: int) -> None:
        """Record and taint as for orders."""


class Arrivals:
    """Reads what comes into one session."""

    def __init__(self, reader: Reads, state: SessionState) -> None:
        self._reader = reader
        self._state = state

    @property
    def reads_pages(self) -> bool:
        """Whether there is still something to find."""
        return UNTRUSTED_INSTRUCTIONS not in self._state.taint

    @property
    def reads_files(self) -> bool:
        """Whether what is written may come from the network, and there is still something to find."""
        return self._state.hears_hosts and UNTRUSTED_INSTRUCTIONS not in self._state.taint

    async def look(self, text: bytes, known: int, source: Source, where: str) -> None:
        """Read a piece of a text.

        Args:
            text: The piece, behind the last `orders.KEPT` bytes of the one before.
            known: How many bytes those are.
            source: What it is.
            where: Its name, for the record.

        Raises:
            AuditError: It could not be recorded.
        """
        for number, window in enumerate(windows_of_orders(text, known)):
            if number == _PLACES:
                self._reader.distrust(f"{source} {where}", "too many places", len(text))
                return
            said = window.decode("utf-8", "replace")
            # Of files a session has thousands, so that a harmless one is soon among what is taken for orders.
            is_excerpt = source is Source.FILE
            if (await self._reader.judge_incoming(said, source, where=where, is_excerpt=is_excerpt)).is_hit:
                return

    def distrust(self, source: Source, where: str, why: str) -> None:
        """Take a text that cannot be read for one that gives orders.

        Raises:
            AuditError: It could not be recorded.
        """
        self._reader.distrust(f"{source} {where}", why, 0)
