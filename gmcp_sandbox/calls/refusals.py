"""What the seccomp filter refuses: the REFUSED and ARGUMENT families of the mediation table as rules.

The rules are for a filter that allows by default, on the native architecture alone (foreign ones and x32 are killed).
The table reaches beyond any one libseccomp: names that an older one cannot resolve stand in `NEWER` with their numbers.
Arguments of type `int` and `unsigned` are compared in their low 32 bits, because the kernel looks at no others: a
caller that sets a high bit asks for the same thing.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import cache

from gmcp_sandbox.calls.fates import Comparison, Condition, Fate, Refusal
from gmcp_sandbox.calls.syscalls import NEWER, SYSCALLS

_EQUAL, _AT_LEAST = Comparison.MASKED_EQUAL, Comparison.AT_LEAST

# Values from the kernel's uapi headers: linux/socket.h, sched.h, asm-generic/ioctls.h, personality.h, memfd.h.
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
_FAMILIES = (AF_UNIX, AF_INET, AF_INET6, AF_NETLINK)
_SOCKET_TYPE = 0xF
_RAW_TYPES = (3, 10)
"""SOCK_RAW, and SOCK_PACKET, which makes an INET socket a packet socket (packet(7))."""
_BEYOND_FAMILIES = 64
"""More than Linux has (46); all from here on are refused in one comparison."""
_CLONE_FLAGS = (0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000)
"""NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_ADDR_NO_RANDOMIZE = 18
_MFD_NOEXEC_SEAL = 0x8


def _when(syscall: str, errno: str, *conditions: Condition) -> Refusal:
    return Refusal(syscall, errno, conditions)


def _sockets(syscall: str, errno: str) -> list[Refusal]:
    """Refuse every family but four, every netlink protocol but ROUTE (0), and raw packets.

    The kernel refuses raw packets, too, whose right the agent has in no namespace; asked here, it can be told of them.
    """
    others = [family for family in range(_BEYOND_FAMILIES) if family not in _FAMILIES]
    return [
        *(_when(syscall, errno, Condition(0, _EQUAL, family)) for family in others),
        _when(syscall, errno, Condition(0, _AT_LEAST, _BEYOND_FAMILIES)),
        *(
            _when(syscall, errno, Condition(0, _EQUAL, AF_NETLINK), Condition(2, _EQUAL, bit, bit))
            for bit in (1 << shift for shift in range(32))
        ),
        *(
            _when(syscall, "EPERM", Condition(0, _EQUAL, family), Condition(1, _EQUAL, kind, _SOCKET_TYPE))
            for family in (AF_INET, AF_INET6)
            for kind in _RAW_TYPES
        ),
    ]


def _personality(errno: str) -> list[Refusal]:
    """Refuse all but 0, ADDR_NO_RANDOMIZE and the question 0xffffffff.

    Going round the other 31 bits in a ring, a value that has some of them set and some not has a set one before one
    that is not: one rule for each such pair. All 31 set is the question, unless ADDR_NO_RANDOMIZE is missing.
    """
    ring = [1 << shift for shift in range(32) if shift != _ADDR_NO_RANDOMIZE]
    pairs = [*zip(ring, [*ring[1:], ring[0]], strict=True), (ring[0], 1 << _ADDR_NO_RANDOMIZE)]
    return [_when("personality", errno, Condition(0, _EQUAL, one, one | other)) for one, other in pairs]


def _by_argument(syscall: str, errno: str) -> list[Refusal]:
    if syscall in ("socket", "socketpair"):
        return _sockets(syscall, errno)
    if syscall == "clone":
        return [_when(syscall, errno, Condition(0, _EQUAL, flag, flag)) for flag in _CLONE_FLAGS]
    if syscall == "ioctl":
        return [_when(syscall, errno, Condition(1, _EQUAL, request)) for request in (_TIOCSTI, _TIOCLINUX)]
    if syscall == "personality":
        return _personality(errno)
    if syscall == "memfd_create":
        return [_when(syscall, errno, Condition(1, _EQUAL, 0, _MFD_NOEXEC_SEAL))]
    raise ValueError(f"{syscall} has fate ARGUMENT, and no rule")


def refusals() -> tuple[Refusal, ...]:
    """Return all rules of the filter. Their order means nothing."""
    rules: list[Refusal] = []
    for family in SYSCALLS:
        if family.errno is None:
            continue
        for syscall in family.members:
            if family.fate is Fate.ARGUMENT:
                rules.extend(_by_argument(syscall, family.errno))
            else:
                rules.append(Refusal(syscall, family.errno))
    return tuple(rules)


def refused_calls() -> Iterator[tuple[str, int]]:
    """Yield the system calls that are refused whatever their arguments, each with its errno; `NEWER` ones apart."""
    for family in SYSCALLS:
        if family.fate is Fate.REFUSED and family.errno is not None:
            for syscall in family.members:
                if syscall not in NEWER:
                    yield syscall, getattr(errno, family.errno)


def refusal_of(syscall: str, *arguments: int) -> Refusal | None:
    """Return the rule that refuses this system call with these arguments, or None."""
    for rule in _rules_by_syscall().get(syscall, ()):
        if all(condition.holds(arguments[condition.index]) for condition in rule.conditions):
            return rule
    return None


def is_refused(syscall: str, *arguments: int) -> bool:
    """True when a rule refuses this system call with these arguments."""
    return refusal_of(syscall, *arguments) is not None


@cache
def _rules_by_syscall() -> dict[str, list[Refusal]]:
    found: dict[str, list[Refusal]] = {}
    for rule in refusals():
        found.setdefault(rule.syscall, []).append(rule)
    return found
