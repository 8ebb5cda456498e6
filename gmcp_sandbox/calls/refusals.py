"""What the seccomp filter answers: the families of the mediation table as rules, for every system call that is named.

A call that no family names has no rule, and is refused (`UNNAMED`) on every machine. Arguments of type `int` and
`unsigned` are compared in their low 32 bits, because the kernel looks at no others: a caller that sets a high bit asks
for the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from gmcp_sandbox.calls.fates import Condition, Fate, Rule
from gmcp_sandbox.calls.syscalls import DEBUGGING, SYSCALLS

UNNAMED = "ENOSYS"
"""The answer for what has no name here, and what programs expect of a kernel that is older than they are."""

# Values from the kernel's uapi headers: linux/socket.h, sched.h, asm-generic/ioctls.h, personality.h, memfd.h.
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
_SOCKET_TYPE = 0xF
_RAW_TYPES = (3, 10)
"""SOCK_RAW, and SOCK_PACKET, which makes an INET socket a packet socket (packet(7))."""
_NEW_NAMESPACES = 0x7E02_0000
"""NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET, and NEWNS."""
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_PERSONALITIES = (0, 0x0004_0000, 0xFFFF_FFFF)
"""The default, ADDR_NO_RANDOMIZE, and the question."""
_MFD_NOEXEC_SEAL = 0x8


def _equal(index: int, value: int, mask: int = 0xFFFF_FFFF) -> Condition:
    return Condition(index, value, mask)


def _allow(*conditions: Condition) -> Rule:
    return Rule(conditions, None)


def _refuse(errno: str, *conditions: Condition) -> Rule:
    return Rule(conditions, errno)


def _sockets(errno: str) -> tuple[Rule, ...]:
    """Allow four families, of netlink the protocol ROUTE (0), and no raw packets.

    The kernel refuses raw packets, too, whose right the agent has in no namespace; asked here, it can be told of them.
    """
    internet = (AF_INET, AF_INET6)
    return (
        _allow(_equal(0, AF_UNIX)),
        *(
            _refuse("EPERM", _equal(0, family), _equal(1, kind, _SOCKET_TYPE))
            for family in internet
            for kind in _RAW_TYPES
        ),
        *(_allow(_equal(0, family)) for family in internet),
        _allow(_equal(0, AF_NETLINK), _equal(2, 0)),
        _refuse(errno),
    )


def _by_argument(syscall: str, errno: str) -> tuple[Rule, ...]:
    if syscall in ("socket", "socketpair"):
        return _sockets(errno)
    if syscall == "clone":
        return (_allow(_equal(0, 0, _NEW_NAMESPACES)), _refuse(errno))
    if syscall == "ioctl":
        return (*(_refuse(errno, _equal(1, request)) for request in (_TIOCSTI, _TIOCLINUX)), _allow())
    if syscall == "personality":
        return (*(_allow(_equal(0, persona)) for persona in _PERSONALITIES), _refuse(errno))
    if syscall == "memfd_create":
        return (_allow(_equal(1, _MFD_NOEXEC_SEAL, _MFD_NOEXEC_SEAL)), _refuse(errno))
    raise ValueError(f"{syscall} has fate ARGUMENT, and no rule")


@cache
def rules(*, debugging: bool = False) -> Mapping[str, tuple[Rule, ...]]:
    """Return the rules by system call: the first whose conditions hold counts, and the last one has none.

    Args:
        debugging: Whether the agent may act on the memory and descriptors of its own other processes.
    """
    found: dict[str, tuple[Rule, ...]] = {}
    for family in SYSCALLS:
        for syscall in family.members:
            if family.fate is Fate.ARGUMENT and family.errno is not None:
                found[syscall] = _by_argument(syscall, family.errno)
            elif debugging and syscall in DEBUGGING:
                found[syscall] = (_allow(),)
            else:
                found[syscall] = (Rule((), family.errno),)
    return found


def refused_calls() -> dict[str, str]:
    """Return the system calls that are refused whatever their arguments, each with the name of its errno."""
    return {name: found[0].errno for name, found in rules().items() if len(found) == 1 and found[0].errno is not None}


def refusal_of(syscall: str, *arguments: int) -> str | None:
    """Return the errno that refuses this system call with these arguments, or None where it is allowed."""
    for rule in rules().get(syscall, ()):
        if all(condition.holds(arguments[condition.index]) for condition in rule.conditions):
            return rule.errno
    return UNNAMED


def is_refused(syscall: str, *arguments: int) -> bool:
    """True when a system call with these arguments is refused."""
    return refusal_of(syscall, *arguments) is not None
