"""Take the next request without going through the event loop's wait when one is there already.

trio's wait costs more than most requests do. So the descriptor is asked again and again for some 60 µs, which bridges
the moment that an agent on another core needs to ask next, and then waited for directly, for at most a millisecond;
only when nothing came in that time, or after `_TURN` requests in a row, other tasks get their turn. Measured on two
idle cores of a virtual machine, where a core that sleeps takes long to wake, wall time of a whole lookup: 89–109 µs
with 20 questions, 58–84 with 120, no less with 250; with both on one core, where asking is no use, 42–55.

- Other descriptors can be named that must not wait, the network's: when there is something on one of them, other tasks
  get their turn at once.
- A read of the descriptor never blocks the loop: it is made non-blocking, and a worker that finds the request gone
  (interrupted by a signal between poll and read) starts again.
"""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import trio

_TURN = 64
_QUESTIONS = 120
_PATIENCE_MS = 1
_Poll = Callable[[int], list[tuple[int, int]]]


@contextmanager
def poll_first(library: Any, fd: int, urgent: Iterable[int] = ()) -> Iterator[None]:
    """Wrap the two functions of pyfuse3 (`library`) that wait for requests and serve them, inside of the block.

    Args:
        urgent: Descriptors that tasks wait for which must not stand behind file requests.
    """
    wait, loop = library._wait_fuse_readable, library._session_loop
    os.set_blocking(fd, False)
    library._wait_fuse_readable = _patient(wait, fd, tuple(urgent))
    library._session_loop = _persistent(loop)
    try:
        yield
    finally:
        library._wait_fuse_readable, library._session_loop = wait, loop


def _patient(
    wait: Callable[[], Awaitable[bool]], fd: int, urgent: tuple[int, ...] = ()
) -> Callable[[], Awaitable[bool]]:
    look, poll_own = _looking(_poll_of(fd, *urgent)), _poll_of(fd)
    alone = [(fd, select.POLLIN)]
    left = _TURN

    async def readable() -> bool:
        nonlocal left
        found: list[tuple[int, int]] = []
        if left:
            left -= 1
            found = look()
            if found == alone:
                return True
        if found or not left:  # something urgent, or a whole turn
            await trio.lowlevel.checkpoint()
        left = _TURN
        while not poll_own(0):
            if not await wait():
                return False
        return True

    return readable


def _looking(poll: _Poll) -> Callable[[], list[tuple[int, int]]]:
    """Return a function that asks again and again, then waits a little, and returns what there is."""
    again = range(_QUESTIONS if len(os.sched_getaffinity(0)) > 1 else 0)

    def look() -> list[tuple[int, int]]:
        for _ in again:
            if found := poll(0):
                return found
        return poll(_PATIENCE_MS)

    return look


def _poll_of(*fds: int) -> _Poll:
    poller = select.poll()
    for fd in fds:
        poller.register(fd, select.POLLIN)
    return poller.poll


def _persistent(loop: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def serving(*args: Any) -> None:
        while True:
            try:
                return await loop(*args)
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    raise

    return serving
