"""Watch the process behind a session, and signal that very process.

Guarantees: a process is held by a pidfd that was compared with its recorded start time, so that neither the watch nor a
signal can reach a later process of the same number.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gmcp_sandbox.monitor.statedir import SessionDir

WATCHERS_NICE = 10
"""Of whoever shows what is decided: what is late is not lost, and a session must not pay for being watched."""


class Watch:
    """The supervisor of a session, for as long as it lives."""

    def __init__(self, session: SessionDir) -> None:
        self._fd = -1
        self.is_over = True
        """True when the process is gone."""
        meta = session.meta()
        if meta is None:
            return
        try:
            self._fd = os.pidfd_open(meta.supervisor.pid)
        except OSError:  # there is no such process, or no such number
            return
        # The order matters: what is compared after the descriptor was opened is what the descriptor holds.
        self.is_over = not session.is_running()

    def wait(self, milliseconds: int) -> bool:
        """Wait for the end of the process, at most so long; return whether it has come."""
        if not self.is_over:
            poll = select.poll()
            poll.register(self._fd, select.POLLIN)
            self.is_over = bool(poll.poll(milliseconds))
        return self.is_over

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the process is gone.

        Raises:
            PermissionError: It belongs to another user.
        """
        if self.is_over:
            return
        try:
            signal.pidfd_send_signal(self._fd, number)
        except ProcessLookupError:
            self.is_over = True

    def close(self) -> None:
        """Let go of the process."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def by_start(sessions: list[SessionDir]) -> list[SessionDir]:
    """Return sessions in the order in which they started; those that say nothing of themselves come first."""

    def started(session: SessionDir) -> int:
        meta = session.meta()
        return 0 if meta is None else meta.started_ns

    return sorted(sessions, key=started)


@contextlib.contextmanager
def stepping_back() -> Iterator[None]:
    """Let whoever is watched go first on the processor, for as long as we watch."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, max(before, WATCHERS_NICE))
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):  # an ordinary user's step back is for good
            os.setpriority(os.PRIO_PROCESS, 0, before)
