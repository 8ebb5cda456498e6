"""Byte budgets of a profile: what is spent is counted, and what has no more is out of reach from then on.

Guarantee: once a budget is spent, the session's state says so, and every flow that it is about is judged again before
the next decision; the last stretch may go over it by as much as is counted at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Final

from gmcp_sandbox.policy.hostrules import HostRules
from gmcp_sandbox.policy.state import SessionState

Count = Callable[[str, str, int], None]
"""Takes kind ("net.bytes_up", "net.bytes_down"), host and amount."""

_UP: Final = "net.bytes_up"
_DOWN: Final = "net.bytes_down"
_SESSION: Final = "*"


class Budgets:
    """Counts bytes; is itself a `Count`."""

    def __init__(self, rules: HostRules, state: SessionState, then: Count | None = None) -> None:
        self._state = state
        self._then = then
        self._spent: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._limits: dict[tuple[str, str], int | None] = {}
        self.use(rules)

    def use(self, rules: HostRules) -> None:
        """Go by other limits from now on; what was spent stays spent."""
        self._rules = rules
        network = rules.network
        self._limits = {(_UP, _SESSION): network.bytes_up, (_DOWN, _SESSION): network.bytes_down}

    def __call__(self, kind: str, host: str, amount: int) -> None:
        """Count bytes of a host, and of the session."""
        for subject in (host, _SESSION):
            key = (kind, subject)
            self._spent[key] += amount
            limit = self._limit(key)
            if limit is not None and self._spent[key] >= limit:
                self._state.exhaust(subject)
        if self._then is not None:
            self._then(kind, host, amount)

    def _limit(self, key: tuple[str, str]) -> int | None:
        if key not in self._limits:
            host = key[1]
            self._limits[_UP, host], self._limits[_DOWN, host] = self._rules.budget(host)
        return self._limits.get(key)
