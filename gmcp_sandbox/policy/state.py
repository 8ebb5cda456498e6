"""What a session has become: its tier, what it has read, and the epoch that numbers each such state.

Invariants:
- Taint and spent budgets only grow; the tier only falls below what the session began with.
- Two answers of the pure layers under one epoch come from the same taint and tier, so a remembered one is still true.
- Whoever watches is called right after the epoch rose, before anything is answered under it, in the order in which they
  began to watch.

Leaves to others: dropping kernel caches and closing flows when the epoch rises (the shells, which watch), a reloaded
profile (the monitor calls `renew`).
"""

from __future__ import annotations

from collections.abc import Callable

from gmcp_sandbox.calls.labels import PRIVATE, Label
from gmcp_sandbox.policy.profile import Tier


class SessionState:
    """Mutable, and owned by the event loop: threads get a `snapshot`."""

    __slots__ = ("_listeners", "epoch", "exhausted", "taint", "taint_names", "tier")

    def __init__(self, tier: Tier, taint: frozenset[str] = frozenset(), epoch: int = 1) -> None:
        self.tier = tier
        self.taint = taint
        self.taint_names = tuple(sorted(taint))
        """The taint as records spell it."""
        self.epoch = epoch
        self.exhausted: frozenset[str] = frozenset()
        """Hosts whose byte budget is spent; `*` when the session's is."""
        self._listeners: list[Callable[[], None]] = []

    def watch(self, listener: Callable[[], None]) -> None:
        """Call somebody each time after the epoch rose, synchronously.

        A listener must not wait, nor change the state. One that raises is a fault of ours: it comes out of the call
        that raised the epoch, which then is not answered.
        """
        self._listeners.append(listener)

    def read(self, label: Label) -> bool:
        """Remember that an object with this label was read; return whether the state changed."""
        if label.rank < PRIVATE.rank or label.name in self.taint:
            return False
        self.taint = self.taint | {label.name}
        self.taint_names = tuple(sorted(self.taint))
        self.renew()
        return True

    def demote(self, tier: Tier) -> bool:
        """Lower the tier; a higher one than the present is ignored. Return whether the state changed."""
        if tier >= self.tier:
            return False
        self.tier = tier
        self.renew()
        return True

    def exhaust(self, host: str) -> bool:
        """Remember that a host's byte budget is spent (`*`: the session's); return whether the state changed."""
        if host in self.exhausted:
            return False
        self.exhausted = self.exhausted | {host}
        self.renew()
        return True

    def renew(self) -> None:
        """Begin a new epoch, so that nothing remembered is used again."""
        self.epoch += 1
        for listener in self._listeners:
            listener()

    def snapshot(self) -> SessionState:
        """Return a copy that later changes do not reach."""
        copy = SessionState(self.tier, self.taint, self.epoch)
        copy.exhausted = self.exhausted
        return copy
