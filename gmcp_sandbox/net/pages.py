"""Answers of servers, read for orders to a model before the agent gets them.

They are read as they come, which is what many clients print, and what is compressed once more, opened piece by piece.
What cannot be opened counts as holding orders. Guarantee: a piece is passed on after it was read, never before.
"""

from __future__ import annotations

import trio

from gmcp_sandbox.monitor.arrivals import Arrivals, Source
from gmcp_sandbox.net.codings import STEP, Opener, Unreadable, opener_of
from gmcp_sandbox.net.framing import NO_BODY
from gmcp_sandbox.net.responses import Response
from gmcp_sandbox.pipeline.orders import KEPT, windows_of_orders


class _Stream:
    """A text in pieces."""

    def __init__(self, arrivals: Arrivals, where: str) -> None:
        self._arrivals = arrivals
        self._where = where
        self._kept = b""

    async def read(self, piece: bytes) -> None:
        text = self._kept + piece
        await self._arrivals.look(text, len(self._kept), Source.PAGE, self._where)
        self._kept = text[-KEPT:]


class Page:
    """One answer on its way."""

    def __init__(self, arrivals: Arrivals, where: str) -> None:
        self._arrivals = arrivals
        self._where = where
        self._opener: Opener | None = None
        self._raw = _Stream(arrivals, where)
        self._opened = _Stream(arrivals, where)

    async def begin(self, response: Response, head: bytes) -> None:
        """Read a head as the agent will get it, and make ready for the body.

        Raises:
            AuditError: It could not be recorded.
        """
        await self.read_fields(head)
        if response.framing is NO_BODY:
            return
        try:
            self._opener = opener_of(response.fields)
        except Unreadable as fault:
            self._distrust(fault)

    async def read_fields(self, text: bytes) -> None:
        """Read what stands by itself.

        Raises:
            AuditError: It could not be recorded.
        """
        if self._arrivals.reads_pages:
            await self._arrivals.look(text, 0, Source.PAGE, self._where)

    async def read(self, payload: bytes) -> None:
        """Read the next bytes of the body, of whose framing nothing is left.

        Raises:
            AuditError: It could not be recorded.
        """
        if not self._arrivals.reads_pages:
            return
        await self._raw.read(payload)
        if self._opener is None:
            return
        try:
            for piece in self._opener.feed(payload):
                await self._opened.read(piece)
                if len(piece) == STEP:  # a few bytes may open to very many
                    await trio.lowlevel.checkpoint()
        except Unreadable as fault:
            self._distrust(fault)

    def _distrust(self, fault: Unreadable) -> None:
        self._opener = None
        if self._arrivals.reads_pages:
            self._arrivals.distrust(Source.PAGE, self._where, f"unread: {fault.why}")


class Pages:
    """Opens the answers of one flow; `root` is scheme and authority of its server."""

    def __init__(self, arrivals: Arrivals, root: str) -> None:
        self._arrivals = arrivals
        self._root = root

    def open(self, target: str) -> Page | None:
        """Return the answer to a request for this target; None when nothing is left to be found."""
        if not self._arrivals.reads_pages:
            return None
        return Page(self._arrivals, f"{self._root}{target.partition('?')[0]}")

    def must_read(self, answer: bytes, *, is_encoded: bool) -> bool:
        """Whether there is anything in a whole answer that somebody has to be asked about."""
        return self._arrivals.reads_pages and (is_encoded or next(windows_of_orders(answer), None) is not None)
