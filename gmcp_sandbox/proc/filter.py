"""The system-call filter: what the agent may not even ask the kernel.

It takes the refused families from the mediation table, so that the table and the filter cannot differ, and adds what is
refused by argument. Arguments that the kernel reads as 32 bits are compared as 32 bits: the upper half is the caller's
to choose and the kernel ignores it (ioctl(2), personality(2)).
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass

from gmcp_sandbox import kernel
from gmcp_sandbox.calls.mediation import refused_calls
from gmcp_sandbox.proc.plan import Stage

_LOW_32 = 0xFFFFFFFF
_NAMESPACE_FLAGS = (
    kernel.CLONE_NEWNS,
    kernel.CLONE_NEWCGROUP,
    kernel.CLONE_NEWUTS,
    kernel.CLONE_NEWIPC,
    kernel.CLONE_NEWUSER,
    kernel.CLONE_NEWPID,
    kernel.CLONE_NEWNET,
)
_ALLOWED_FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK (include/linux/socket.h)."""
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_READ_IMPLIES_EXEC = 0x0400000
_MFD_NOEXEC_SEAL = 0x8
_FIRST_UNKNOWN, _LAST_UNKNOWN = 450, 560


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition on an argument: (value & mask) == expected, or value > expected when `greater`."""

    index: int
    expected: int
    mask: int = (1 << 64) - 1
    greater: bool = False
    unequal: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Answer `errno` to `call` when every condition holds."""

    call: str
    errno: int
    conditions: tuple[Comparison, ...] = ()


def refusals() -> Iterator[Refusal]:
    """Yield all refusals of the first filter."""
    for name, code in refused_calls():
        yield Refusal(name, code)
    for flag in _NAMESPACE_FLAGS:
        yield Refusal("clone", errno.EPERM, (Comparison(0, flag, flag),))
    yield Refusal("clone3", errno.ENOSYS)  # its flags lie in memory; the C library falls back to clone
    for command in (_TIOCSTI, _TIOCLINUX):
        yield Refusal("ioctl", errno.EPERM, (Comparison(1, command, _LOW_32),))
    yield Refusal("memfd_create", errno.EPERM, (Comparison(1, 0, _MFD_NOEXEC_SEAL),))
    # 0xffffffff asks for the current personality and has every bit set, so look at one that no personality uses as well.
    yield Refusal("personality", errno.EPERM, (Comparison(0, _READ_IMPLIES_EXEC, _READ_IMPLIES_EXEC | 1 << 31),))
    yield from _socket_refusals()


def _socket_refusals() -> Iterator[Refusal]:
    for call in ("socket", "socketpair"):
        yield Refusal(call, errno.EAFNOSUPPORT, (Comparison(0, max(_ALLOWED_FAMILIES), greater=True),))
        for family in range(max(_ALLOWED_FAMILIES)):
            if family not in _ALLOWED_FAMILIES:
                yield Refusal(call, errno.EAFNOSUPPORT, (Comparison(0, family),))
        route_only = (Comparison(0, 16), Comparison(2, 0, unequal=True))
        yield Refusal(call, errno.EPROTONOSUPPORT, route_only)


@dataclass(frozen=True, slots=True)
class LoadFilter:
    """Load the filter into the calling process; foreign architectures and x32 kill it."""

    def apply(self, stage: Stage) -> None:
        import pyseccomp

        chain = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        chain.set_attr(pyseccomp.Attr.ACT_BADARCH, pyseccomp.KILL_PROCESS)
        for refusal in refusals():
            conditions = [_argument(pyseccomp, each) for each in refusal.conditions]
            chain.add_rule(pyseccomp.ERRNO(refusal.errno), refusal.call, *conditions)
        for number in _unknown_numbers(pyseccomp):
            chain.add_rule(pyseccomp.ERRNO(errno.ENOSYS), number)
        chain.load()

    def describe(self) -> str:
        return "load the system-call filter"


def _argument(pyseccomp, each: Comparison):  # type: ignore[no-untyped-def]  # the library has no types
    if each.greater:
        return pyseccomp.Arg(each.index, pyseccomp.GT, each.expected)
    if each.unequal:
        return pyseccomp.Arg(each.index, pyseccomp.NE, each.expected)
    return pyseccomp.Arg(each.index, pyseccomp.MASKED_EQ, each.mask, each.expected)


def _unknown_numbers(pyseccomp) -> list[int]:  # type: ignore[no-untyped-def]
    """Return the numbers of new system calls that the library, and so the mediation table, cannot name."""
    unknown = []
    for number in range(_FIRST_UNKNOWN, _LAST_UNKNOWN):
        try:
            pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, number)
        except (ValueError, OSError):
            unknown.append(number)
    return unknown
