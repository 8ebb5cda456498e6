"""The words of the mediation table: what becomes of a kernel request, and why."""

from __future__ import annotations

import enum

import msgspec

from gmcp_sandbox.calls.tools import Tool


class Origin(enum.StrEnum):
    """Where a request comes up."""

    FUSE = "fuse"
    PACKET = "packet"
    SYSCALL = "syscall"
    TREE = "tree"


class Fate(enum.StrEnum):
    """What becomes of a request."""

    JUDGED = "judged"
    """It becomes the tool calls that are named, and has no effect before they are allowed. A system call of this fate
    reaches the FUSE root or the network device when its object lies there; on the kernel's own objects it is KERNEL."""
    COVERED = "covered"
    """It belongs to an effect that was judged before (an open, for the closing of what it opened)."""
    OWN = "own"
    """It affects the agent's own processes alone."""
    KERNEL = "kernel"
    """It touches the kernel's own objects inside of the agent's namespaces."""
    ARGUMENT = "argument"
    """The seccomp filter refuses it for some arguments; else it is OWN, KERNEL or JUDGED, as the reason says."""
    REFUSED = "refused"
    """It is refused always, with the errno that is named, by the seccomp filter or (FUSE, packets) by its shell."""
    UNREACHABLE = "unreachable"
    """There is no way by which it could leave the agent's namespaces; the tools say what it is to become with one."""


class Family(msgspec.Struct, frozen=True):
    """Requests that share a fate, for one reason.

    Attributes:
        origin: Where they come up.
        name: Of the family, unique in its origin.
        fate: What becomes of them.
        reason: Why that is right, one clause.
        members: Names: FUSE operations, packet classes, system calls or trees.
        tools: What they become.
        errno: Name of the errno that a refusal answers with.
    """

    origin: Origin
    name: str
    fate: Fate
    reason: str
    members: tuple[str, ...]
    tools: tuple[Tool, ...] = ()
    errno: str | None = None


class Condition(msgspec.Struct, frozen=True):
    """`argument & mask == value`, of one argument of a system call; the mask reaches no further than 32 bits."""

    index: int
    value: int
    mask: int = 0xFFFF_FFFF

    def holds(self, argument: int) -> bool:
        """True when the argument compares so."""
        return argument & self.mask == self.value


class Rule(msgspec.Struct, frozen=True):
    """One case of the answer to a system call: when all conditions hold (none: always), this errno; None allows it."""

    conditions: tuple[Condition, ...]
    errno: str | None
