"""A test that would hang fails instead, whatever it waits in."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block once the time is up; child processes are not affected. One may lie in another."""

    def expire(*_: object) -> None:
        raise TimeoutError(f"not over after {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, expire)
    outer, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    begun = time.monotonic()
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, outer and max(outer - (time.monotonic() - begun), 0.001))
