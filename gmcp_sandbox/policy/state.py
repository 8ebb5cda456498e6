"""What a session has become: its tier, what it has read and done, and the epoch that numbers each such state.

Invariants:
- Taint and spent budgets only grow; the tier only falls below what the session began with.
- Two answers of the pure layers under one epoch come from the same taint and tier, so a remembered one is still true.
  What was counted is not part of an epoch: whatever reads a counter is not remembered.
- Whoever watches is called right after the epoch rose, before anything is answered under it, in the order in which they
  began to watch.

Leaves to others: dropping kernel caches and closing flows when the epoch rises (the shells, which watch), a reloaded
profile (the monitor calls `renew`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from gmcp_sandbox.calls.labels import PRIVATE, Label
from gmcp_sandbox.policy.counters import Counters
from gmcp_sandbox.policy.profile import Tier
from gmcp_sandbox.policy.toolbook import KnownTool, Toolbook


class SessionState:
    """Mutable, and owned by the event loop: threads get a `snapshot`."""

    __slots__ = (
        "_listeners",
        "counters",
        "epoch",
        "exhausted",
        "hears_hosts",
        "taint",
        "taint_names",
        "tier",
        "tools",
    )

    def __init__(self, tier: Tier, taint: frozenset[str] = frozenset(), epoch: int = 1) -> None:
        self.tier = tier
        self.taint = taint
        self.taint_names = tuple(sorted(taint))
        """The taint as records spell it."""
        self.epoch = epoch
        self.exhausted: frozenset[str] = frozenset()
        """Hosts whose byte budget is spent; `*` when the session's is."""
        self.hears_hosts = False
        """A host may have sent it something. No rule asks, so it begins no epoch."""
        self.counters = Counters()
        self.tools = Toolbook()
        """What is known of the tools of MCP servers."""
        self._listeners: list[Callable[[], None]] = []

    def watch(self, listener: Callable[[], None]) -> None:
        """Call somebody each time after the epoch rose, synchronously.

        A listener must not wait, nor change the state. One that raises is a fault of ours: it comes out of the call
        that raised the epoch, which then is not answered.
        """
        self._listeners.append(listener)

    def read(self, label: Label) -> bool:
        """Remember that an object with this label was read; return whether the state changed."""
        return label.rank >= PRIVATE.rank and self.mark(label.name)

    def mark(self, taint: str) -> bool:
        """Remember a taint; return whether the state changed."""
        if taint in self.taint:
            return False
        self.taint = self.taint | {taint}
        self.taint_names = tuple(sorted(self.taint))
        self.renew()
        return True

    def read_all(self, labels: Iterable[Label]) -> bool:
        """Remember several labels as one change."""
        new = {label.name for label in labels if label.rank >= PRIVATE.rank} - self.taint
        if not new:
            return False
        self.taint = self.taint | new
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

    def count(self, kind: str, key: str, amount: int, at_ns: int) -> None:
        """Count what was done: `net.bytes_up` and `net.bytes_down` by host, or what a rule counts."""
        self.counters.add(kind, key, amount, at_ns)

    def exhaust(self, host: str) -> bool:
        """Remember that a host's byte budget is spent (`*`: the session's); return whether the state changed."""
        if host in self.exhausted:
            return False
        self.exhausted = self.exhausted | {host}
        self.renew()
        return True

    def learn(self, server: str, tools: Mapping[str, KnownTool]) -> None:
        """Remember the tools that an MCP server has now; it has no others."""
        self.tools = self.tools.with_server(server, tools)
        self.renew()

    def renew(self) -> None:
        """Begin a new epoch, so that nothing remembered is used again."""
        self.epoch += 1
        for listener in self._listeners:
            listener()

    def snapshot(self) -> SessionState:
        """Return a copy of tier, taint, spent budgets, tools and epoch that later changes do not reach; nobody watches
        it, its counters are empty."""
        copy = SessionState(self.tier, self.taint, self.epoch)
        copy.exhausted = self.exhausted
        copy.tools = self.tools
        return copy
