"""Telling the kernel what to forget, as a conversation with it. Real mounts are in tests/e2e."""

from __future__ import annotations

import errno
import threading

import pytest

from gmcp_sandbox.fs.notices import Notices, tell


class Kernel:
    """Notes what it is told, and by which thread; does not know, or breaks, at some numbers."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.threads: set[int] = set()
        self.errors: dict[int, int] = {}

    def _hear(self, *what: object) -> None:
        self.told.append(what)
        self.threads.add(threading.get_ident())
        code = self.errors.get(len(self.told))
        if code is not None:
            raise OSError(code, "told")

    def drop_content(self, number: int) -> None:
        self._hear("content", number)

    def drop_attributes(self, number: int) -> None:
        self._hear("attributes", number)

    def drop_name(self, parent: int, name: bytes) -> None:
        self._hear("name", parent, name)


async def test_names_come_last_and_never_from_the_loop() -> None:
    kernel = Kernel()
    await tell(kernel, Notices([1], [2], [(3, b"n")]))
    assert kernel.told == [("content", 1), ("attributes", 2), ("name", 3, b"n")]
    assert threading.get_ident() not in kernel.threads


@pytest.mark.parametrize("code", [errno.ENOENT, errno.ENOTCONN, errno.ENODEV])
async def test_what_the_kernel_does_not_know_any_more_is_no_error(code: int) -> None:
    kernel = Kernel()
    kernel.errors[1] = code
    await tell(kernel, Notices([], [2, 3], []))
    assert len(kernel.told) == 2


async def test_what_the_kernel_refuses_is_an_error() -> None:
    kernel = Kernel()
    kernel.errors[2] = errno.EIO
    with pytest.raises(OSError, match="told"):
        await tell(kernel, Notices([], [2, 3], []))


async def test_thousands_are_told_in_order() -> None:
    kernel = Kernel()
    await tell(kernel, Notices([], list(range(1000)), []))
    assert kernel.told == [("attributes", number) for number in range(1000)]
