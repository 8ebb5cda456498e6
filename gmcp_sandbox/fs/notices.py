"""Telling the kernel what to forget of what it was answered.

To drop pages the kernel waits for every read of the file that is under way, to drop a name for every request in its
directory, and these wait for us. So the kernel is told by a thread, and the event loop goes on to answer.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import trio

_BATCH = 256
"""Notices that a thread gives before it looks whether the session goes on."""
_GONE = (errno.ENOENT, errno.ENOTCONN, errno.ENODEV)
"""How the kernel answers for what it does not know any more."""


class KernelCaches(Protocol):
    """Tells the kernel what to forget. Called in a thread; each call may wait for requests under way."""

    def drop_content(self, number: int) -> None:
        """Forget pages and attributes of a node."""

    def drop_attributes(self, number: int) -> None:
        """Forget the attributes of a node."""

    def drop_name(self, parent: int, name: bytes) -> None:
        """Forget a name."""


class Notices(NamedTuple):
    """What the kernel is to forget."""

    contents: list[int]
    attributes: list[int]
    names: list[tuple[int, bytes]]


async def tell(caches: KernelCaches, found: Notices) -> None:
    """Tell the kernel, names last: with its attributes gone, a name leads to questions only."""
    calls: list[Callable[[], None]] = [
        *(partial(caches.drop_content, number) for number in found.contents),
        *(partial(caches.drop_attributes, number) for number in found.attributes),
        *(partial(caches.drop_name, parent, name) for parent, name in found.names),
    ]
    for start in range(0, len(calls), _BATCH):
        await trio.to_thread.run_sync(_make, calls[start : start + _BATCH])


def _make(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        try:
            call()
        except OSError as error:
            if error.errno not in _GONE:
                raise
