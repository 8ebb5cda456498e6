"""What a session did lately: sums over sliding windows, for rules that ask how much and how often.

Invariants:
- Deterministic: time comes with what is counted and with the question; a clock that steps back forgets nothing, one
  that leaps ahead empties the window once.
- Never too low: a window is kept in `_PARTS` parts and forgets a part only when all of it is over, and keys beyond the
  bound are counted together. So a number may be too high, and a rule that holds from a number on errs by holding.
- Bounded: `MOST_KEYS` keys a window, `_PARTS` + 1 numbers a key.

Only windows that somebody asked for (`expect`, or a first `value`) are kept; counting anything else costs a look-up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

MOST_KEYS = 4096
_PARTS = 60
_OTHERS = "\0"
"""The key of all keys beyond the bound; no host and no path holds a NUL."""


class Window(msgspec.Struct, frozen=True):
    """One thing that is counted.

    Attributes:
        of: The kind: `net.bytes_up`, `net.bytes_down`, `denials`, or what a rule counts (`rule:<id>:<name>`).
        seconds: How far back.
        distinct: How many different keys there were, instead of the sum of the amounts.
        by_key: A sum for each key, instead of one for all.
    """

    of: str
    seconds: int
    distinct: bool = False
    by_key: bool = False


class Sum:
    """One sliding sum."""

    __slots__ = ("_latest", "_part_ns", "_parts", "_total")

    def __init__(self, seconds: float) -> None:
        self._part_ns = max(1, int(seconds * 1_000_000_000) // _PARTS)
        self._parts: deque[list[int]] = deque()
        self._total = 0
        self._latest = 0

    def add(self, amount: int, at_ns: int) -> None:
        """Count an amount."""
        part = self._advance(at_ns)
        if self._parts and self._parts[-1][0] == part:
            self._parts[-1][1] += amount
        else:
            self._parts.append([part, amount])
        self._total += amount

    def value(self, at_ns: int) -> int:
        """Return the sum over the window that ends now."""
        self._advance(at_ns)
        return self._total

    def _advance(self, at_ns: int) -> int:
        """Forget what is over; return the number of the part that is now."""
        part = self._latest = max(self._latest, at_ns // self._part_ns)
        parts = self._parts
        while parts and parts[0][0] < part - _PARTS:
            self._total -= parts.popleft()[1]
        return part


class _Distinct:
    """How many different keys were seen lately; keys beyond the bound count as new each time."""

    __slots__ = ("_beyond", "_latest", "_part_ns", "_seen")

    def __init__(self, seconds: float) -> None:
        self._part_ns = max(1, int(seconds * 1_000_000_000) // _PARTS)
        self._seen: dict[str, int] = {}  # key → part in which it was seen last, the longest ago first
        self._beyond = Sum(seconds)
        self._latest = 0

    def add(self, key: str, at_ns: int) -> None:
        part = self._advance(at_ns)
        self._seen.pop(key, None)
        if len(self._seen) < MOST_KEYS:
            self._seen[key] = part
        else:
            self._beyond.add(1, at_ns)

    def value(self, at_ns: int) -> int:
        self._advance(at_ns)
        return len(self._seen) + self._beyond.value(at_ns)

    def _advance(self, at_ns: int) -> int:
        part = self._latest = max(self._latest, at_ns // self._part_ns)
        while self._seen:
            key, seen = next(iter(self._seen.items()))
            if seen >= part - _PARTS:
                break
            del self._seen[key]
        return part


class _Keyed:
    """A sum for each key; keys beyond the bound share one."""

    __slots__ = ("_seconds", "_sums")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sums: dict[str, Sum] = {}

    def add(self, key: str, amount: int, at_ns: int) -> None:
        found = self._sums.get(key)
        if found is None:
            if len(self._sums) >= MOST_KEYS:
                self._sums = {known: each for known, each in self._sums.items() if each.value(at_ns)}
            known = key if len(self._sums) < MOST_KEYS else _OTHERS
            found = self._sums.setdefault(known, Sum(self._seconds))
        found.add(amount, at_ns)

    def value(self, key: str, at_ns: int) -> int:
        """Return the key's own sum and that of all that share one: what is counted there may be this key's."""
        own, shared = self._sums.get(key), self._sums.get(_OTHERS)
        return (0 if own is None else own.value(at_ns)) + (0 if shared is None else shared.value(at_ns))


class Counters:
    """All windows of one session."""

    __slots__ = ("_by_kind", "_windows")

    def __init__(self) -> None:
        self._windows: dict[Window, Sum | _Distinct | _Keyed] = {}
        self._by_kind: dict[str, list[Sum | _Distinct | _Keyed]] = {}

    def expect(self, windows: Iterable[Window]) -> None:
        """Count for these from now on; those that are kept already go on."""
        for window in windows:
            self._made(window)

    def keep_only(self, windows: Iterable[Window]) -> None:
        """Count for these and no others: another profile holds now."""
        kept = dict.fromkeys(windows)
        self._windows = {window: sums for window, sums in self._windows.items() if window in kept}
        self._by_kind = {}
        for window, sums in self._windows.items():
            self._by_kind.setdefault(window.of, []).append(sums)
        self.expect(kept)

    def _made(self, window: Window) -> Sum | _Distinct | _Keyed:
        found = self._windows.get(window)
        if found is None:
            kind = _Distinct if window.distinct else _Keyed if window.by_key else Sum
            found = self._windows[window] = kind(window.seconds)
            self._by_kind.setdefault(window.of, []).append(found)
        return found

    def add(self, kind: str, key: str, amount: int, at_ns: int) -> None:
        """Count an amount of a kind under a key."""
        for sums in self._by_kind.get(kind, ()):
            if isinstance(sums, Sum):
                sums.add(amount, at_ns)
            elif isinstance(sums, _Keyed):
                sums.add(key, amount, at_ns)
            else:
                sums.add(key, at_ns)

    def value(self, window: Window, key: str, at_ns: int) -> int:
        """Return what a window holds now, for a key where there is one sum for each."""
        sums = self._made(window)
        return sums.value(key, at_ns) if isinstance(sums, _Keyed) else sums.value(at_ns)
