"""How much a session may leave on the host's disks: bytes written, and objects made, in trees that outlive it.

Invariants:
- A budget that is used up answers ENOSPC, as a full disk would, and is written down once.
- What was attempted counts, whether or not the disk then took it; what is overwritten counts again, so that no loop of
  writing and truncating wears out a disk.

Scratch trees are memory and bounded by their size (`limits.scratch_bytes`).
"""

from __future__ import annotations

import errno

from gmcp_sandbox.fs.backing import fail
from gmcp_sandbox.fs.nodes import Node
from gmcp_sandbox.fs.revocation import Record


class Budget:
    """What is left; None for what is not bounded."""

    def __init__(
        self, written_bytes: int | None = None, new_files: int | None = None, record: Record | None = None
    ) -> None:
        self._bytes = written_bytes
        self._files = new_files
        self._record = record
        self._said: set[str] = set()

    def write(self, node: Node, count: int) -> None:
        """Take the bytes of a write.

        Raises:
            OSError: ENOSPC.
        """
        if self._bytes is None or node.place is None or not node.place.is_kept:
            return
        if count > self._bytes:
            raise self._exhausted("written_bytes", node.path)
        self._bytes -= count

    def make(self, parent: Node) -> None:
        """Take one new object.

        Raises:
            OSError: ENOSPC.
        """
        if self._files is None or parent.place is None or not parent.place.is_kept:
            return
        if self._files == 0:
            raise self._exhausted("new_files", parent.path)
        self._files -= 1

    def _exhausted(self, limit: str, path: str) -> OSError:
        if limit not in self._said and self._record is not None:
            self._said.add(limit)
            self._record("limit", limit=limit, what="no more is written to the host's disk", path=path)
        return fail(errno.ENOSPC)


UNLIMITED = Budget()
