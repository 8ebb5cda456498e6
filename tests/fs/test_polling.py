from __future__ import annotations

import errno
import os

import trio

from gmcp_sandbox.fs.polling import poll_first


class Library:
    """What of pyfuse3 is wrapped: a loop that takes a byte whenever it is told that there is one."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.taken = 0
        self.waits = 0
        self.refusals = 0

    async def _wait_fuse_readable(self) -> bool:
        self.waits += 1
        await trio.lowlevel.wait_readable(self.fd)
        return True

    async def _session_loop(self, *_args: object) -> None:
        while await self._wait_fuse_readable():
            if self.refusals:
                self.refusals -= 1
                raise OSError(errno.EAGAIN, "gone")
            if not os.read(self.fd, 1):
                return
            self.taken += 1


async def test_what_is_there_is_taken_without_waiting_and_others_get_their_turn() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"x" * 500)
    library = Library(reading)
    library.refusals = 2
    turns = 0

    async def other() -> None:
        nonlocal turns
        while library.taken < 500:
            turns += 1
            await trio.lowlevel.checkpoint()

    with poll_first(library, reading):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(library._session_loop)
            nursery.start_soon(other)
            while library.taken < 500:
                await trio.lowlevel.checkpoint()
            os.close(writing)
    assert library.waits <= 1
    assert turns >= 5
    assert not os.get_blocking(reading)
    os.close(reading)


async def test_something_urgent_does_not_stand_behind_requests() -> None:
    reading, writing = os.pipe()
    news, bringing = os.pipe()
    os.write(writing, b"x" * 20)
    os.write(bringing, b"!")
    library = Library(reading)
    taken_before = None

    async def other() -> None:
        nonlocal taken_before
        await trio.lowlevel.wait_readable(news)
        taken_before = library.taken
        os.read(news, 1)

    with poll_first(library, reading, (news,)):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            await trio.lowlevel.checkpoint()
            nursery.start_soon(library._session_loop)
            while library.taken < 20:
                await trio.lowlevel.checkpoint()
            os.close(writing)
    assert taken_before is not None
    assert taken_before < 20
    for fd in (reading, news, bringing):
        os.close(fd)
