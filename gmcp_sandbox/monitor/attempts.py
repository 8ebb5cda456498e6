"""Attempts that the kernel was told to refuse: each kind is recorded, and none of them can fill the log.

The first attempt of a kind, of up to `_RECORDED` kinds, is a denied call of its tool, or an event where no tool is for
it; later ones are counted, and the counts stand in the log when the session ends. Nothing here decides: the call has
failed already, or fails whatever is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from gmcp_sandbox.calls.attempts import NOBODY, described, reported_syscalls
from gmcp_sandbox.calls.labels import NETWORK
from gmcp_sandbox.monitor.mediator import Mediator

_RECORDED: Final = 64


class Attempts:
    """Those of one session.

    Args:
        event: Takes an event down, by name.
    """

    def __init__(self, mediator: Mediator, event: Callable[..., None]) -> None:
        self._mediator = mediator
        self._event = event
        self._counts: Counter[str] = Counter()

    async def take(self, pid: int, syscall: str, arguments: Sequence[int]) -> None:
        """Take down that a process asked for a system call and was refused.

        Raises:
            AuditError: It could not be recorded; the monitor ends the session.
        """
        if syscall not in reported_syscalls():
            return
        attempt = described(syscall, arguments)
        is_known = attempt.what in self._counts
        if not is_known and len(self._counts) >= _RECORDED:
            self._counts["others"] += 1
            return
        self._counts[attempt.what] += 1
        if is_known:
            return
        if attempt.tool is None or attempt.arguments is None:
            self._event("attempt_refused", what=attempt.what, pid=pid)
            return
        call = self._mediator.call(attempt.tool, NOBODY, attempt.arguments, pid=pid, label=NETWORK)
        decision = await self._mediator.mediate(call)
        assert not decision.is_allowed, "an attempt is never granted"

    def report(self) -> None:
        """Write the counts down, when there are any."""
        if self._counts:
            self._event("attempts_refused", counts=dict(sorted(self._counts.items())))
