"""What objects carry on from what a session read: asked before content is delivered, marked before it is written.

Only objects that outlive the session are asked about and marked. Without a store nothing is carried.
"""

from __future__ import annotations

from typing import Protocol

from gmcp_sandbox.calls.labels import Label
from gmcp_sandbox.fs.nodes import Node
from gmcp_sandbox.fs.stats import Key


class Derives(Protocol):
    """The store of derived labels, as one session sees it; `monitor.derived.Derivation` is one."""

    mask: int
    """Not 0 when what is written now must be marked."""

    def news(self, key: Key) -> tuple[Label, ...]:
        """Return the labels that an object carries and that the session has not read yet."""

    def mark(self, key: Key) -> None:
        """Let an object carry what the session has read.

        Raises:
            OSError: It could not be marked; it must not be written.
        """


class Nothing:
    """No store."""

    mask = 0

    def news(self, key: Key) -> tuple[Label, ...]:
        """Return nothing."""
        return ()

    def mark(self, key: Key) -> None:
        """Mark nothing."""


class Carry:
    """Asks and marks by node."""

    def __init__(self, derives: Derives | None) -> None:
        self._is_idle = derives is None
        self._derives = derives or Nothing()

    def brought_by(self, node: Node) -> tuple[Label, ...]:
        """Return the labels that come with what a node says."""
        if self._is_idle or node.key is None or node.place is None or not node.place.is_kept:
            return ()
        return self._derives.news(node.key)

    def mark(self, node: Node) -> None:
        """Mark an object that is about to be written.

        Raises:
            OSError: It could not be; it must not be written.
        """
        if self._derives.mask and node.key is not None and node.place is not None and node.place.is_kept:
            self._derives.mark(node.key)
