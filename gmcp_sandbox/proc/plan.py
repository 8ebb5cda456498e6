"""The set-up of a sandbox as a list of operations: built first, printed by `--dry-run`, then executed in order.

A step either takes effect or raises; there is no weaker second try. Steps run in the process that they confine, before
any byte of the agent does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from gmcp_sandbox.errors import HostError


class Stage:
    """What the steps of one set-up leave to each other and to the supervisor.

    Attributes:
        root: Where the new root stands until it is the root.
        fds: Descriptors to be handed to the supervisor, by name.
        gates: Descriptors that process 1 waits for, by name.
    """

    __slots__ = ("fds", "gates", "root")

    def __init__(self, root: bytes) -> None:
        self.root = root
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
