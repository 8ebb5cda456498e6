"""What a session has become: its tier, what it has read, and the epoch that numbers each such state.

Invariants:
- Taint only grows; the tier only falls below what the session began with.
- Two answers of the pure layers under one epoch come from the same taint and tier, so a remembered one is still true.

Leaves to others: dropping kernel caches when the epoch rises (the filesystem shell), a reloaded profile (the monitor
calls `renew`).
"""

from __future__ import annotations

from gmcp_sandbox.calls.labels import PRIVATE, Label
from gmcp_sandbox.policy.profile import Tier


class SessionState:
    """Mutable, and owned by the event loop: threads get a `snapshot`."""

    __slots__ = ("epoch", "taint", "taint_names", "tier")

    def __init__(self, tier: Tier, taint: frozenset[str] = frozenset(), epoch: int = 1) -> None:
        self.tier = tier
        self.taint = taint
        self.taint_names = tuple(sorted(taint))
        """The taint as records spell it."""
        self.epoch = epoch

    def read(self, label: Label) -> bool:
        """Remember that an object with this label was read; return whether the state changed."""
        return label.rank >= PRIVATE.rank and self.mark(label.name)

    def mark(self, taint: str) -> bool:
        """Remember a taint; return whether the state changed."""
        if taint in self.taint:
            return False
        self.taint = self.taint | {taint}
        self.taint_names = tuple(sorted(self.taint))
        self.epoch += 1
        return True

    def demote(self, tier: Tier) -> bool:
        """Lower the tier; a higher one than the present is ignored. Return whether the state changed."""
        if tier >= self.tier:
            return False
        self.tier = tier
        self.epoch += 1
        return True

    def renew(self) -> None:
        """Begin a new epoch, so that nothing remembered is used again."""
        self.epoch += 1

    def snapshot(self) -> SessionState:
        """Return a copy that later changes do not reach."""
        return SessionState(self.tier, self.taint, self.epoch)
