"""The set-up of a sandbox as a list of operations: built first, printed by `--dry-run`, then executed in order.

A step either takes effect or raises; there is no weaker second try. Steps run in the process that they confine, before
any byte of the agent does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from gmcp_sandbox.errors import HostError

if TYPE_CHECKING:
    from gmcp_sandbox.proc.cgroups import Groups


class Stage:
    """What the steps of one set-up leave to each other and to the supervisor.

    Attributes:
        root: Where the new root stands until it is the root.
        fds: Descriptors to be handed to the supervisor, by name.
        gates: Descriptors that process 1 waits for, by name.
        groups: Control groups that process 1 joins; None: there are none.
    """

    __slots__ = ("fds", "gates", "groups", "root")

    def __init__(self, root: bytes, groups: Groups | None = None) -> None:
        self.root = root
        self.groups = groups
        self.fds: dict[str, int] = {}
        self.gates: dict[str, int] = {}


class Step(Protocol):
    """One operation of a set-up."""

    def apply(self, stage: Stage) -> None:
        """Take effect. Raises OSError or HostError."""

    def describe(self) -> str:
        """Say in one line what the step does."""


def execute(steps: Iterable[Step], stage: Stage) -> None:
    """Apply the steps in order.

    Raises:
        HostError: Names the first step that the kernel refused.
    """
    for step in steps:
        with naming(step.describe()):
            step.apply(stage)


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Turn an OSError in the block into a HostError that names the step."""
    try:
        yield
    except OSError as error:
        raise HostError(
            f"cannot {what}: {error.strerror or error}",
            cause="the kernel refused this step of the set-up",
            hint="gmcp-sandbox doctor",
        ) from error
