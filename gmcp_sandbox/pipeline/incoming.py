"""Text that comes in (tool results, pages, tool descriptions): does it give orders to whoever reads it?

What the patterns surely know is found here, linear in the text; what they do not know the gate is asked. A hit denies
nothing by itself: it taints the session, and rules say what a tainted session may still do.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from gmcp_sandbox.pipeline.patterns import Category, Severity
from gmcp_sandbox.pipeline.scan import Budget, Hits

_ORDERS = (Category.OVERRIDE, Category.AUTHORITY, Category.CONCEALED)
_BUDGET = Budget(runs=256, decoded_bytes=256 << 10, shortest=24, is_bulk=False)


class Incoming(msgspec.Struct, frozen=True):
    """What is said of a text that comes in.

    Attributes:
        is_hit: It holds instructions for whoever reads it, or nobody can say.
        score: The gate's measure, where it was asked and answered.
        why: Category of a pattern, or how the gate came to its answer.
    """

    is_hit: bool
    score: float | None = None
    why: str = ""


class Scans(Protocol):
    """The scanner of the patterns, as it is used here."""

    def scan(self, text: bytes, budget: Budget) -> Hits:
        """Return what a text hits."""


def flagged(scanner: Scans, text: bytes) -> Incoming | None:
    """Return the hit when a pattern surely tells of orders in a text, or cannot be applied; else None."""
    try:
        hits = scanner.scan(text, _BUDGET)
    except Exception as fault:  # noqa: BLE001 - the documented boundary: a text that cannot be looked at counts as a hit
        return Incoming(True, None, type(fault).__name__)
    for category in _ORDERS:
        if hits.get(category) is Severity.HIGH:
            return Incoming(True, None, category.value)
    return None
