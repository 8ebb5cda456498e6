"""Which refused system calls are attempts that deserve a record, and in what words: pure data and functions.

A refused call has no effect, and most are a program asking whether the kernel has something (io_uring, clone3): they
tell nothing. Those that are reported here reach for the machine, for other namespaces or past the network device; no
ordinary program makes them often.

Only what stands in registers is looked at, never memory that could change.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import msgspec

from gmcp_sandbox.calls.arguments import Arguments, NetSend
from gmcp_sandbox.calls.refusals import AF_INET, AF_INET6, AF_NETLINK
from gmcp_sandbox.calls.syscalls import SYSCALLS
from gmcp_sandbox.calls.tools import Tool

NOBODY = "0.0.0.0"
"""The object of an attempt that names no host."""
_LOW = 0xFFFF_FFFF
_REPORTED = frozenset(
    {
        "sockets",
        "clone",
        "ioctl",
        "mounts",
        "namespaces",
        "other processes' memory and descriptors",
        "kernel programs and probes",
        "keyrings",
        "kernel image and modules",
        "file handles",
        "machine",
        "kernel log",
        "file system events",
    }
)
"""Families of the mediation table."""
_SILENT = frozenset({"socketpair"})
"""Members of them that reach nobody."""
_FAMILIES = {
    15: "IPsec key",
    17: "packet",
    21: "RDS",
    28: "MPLS",
    29: "CAN",
    30: "TIPC",
    31: "Bluetooth",
    33: "RxRPC",
    38: "kernel cryptography",
    39: "NFC",
    40: "VSOCK",
    41: "KCM",
    42: "Qualcomm router",
    43: "SMC",
    44: "XDP",
    45: "MCTP",
}
"""Address families of linux/socket.h that somebody could want."""
_NETLINKS = {4: "socket diagnosis", 6: "IPsec", 9: "audit", 12: "netfilter", 15: "device events", 16: "generic"}
"""Protocols of linux/netlink.h, likewise."""


class Attempt(msgspec.Struct, frozen=True):
    """One attempt.

    Attributes:
        what: In a few words; equal for attempts of a kind.
        tool, arguments: The call that it becomes, on `NOBODY` and never granted; None where no tool is for it, so that
            its record is an event.
    """

    what: str
    tool: Tool | None = None
    arguments: Arguments | None = None


@cache
def reported_syscalls() -> frozenset[str]:
    """Return the system calls of which some, or all, are attempts: those that are refused."""
    members = (member for family in SYSCALLS if family.name in _REPORTED and family.errno for member in family.members)
    return frozenset(members) - _SILENT


def described(syscall: str, arguments: Sequence[int]) -> Attempt:
    """Say what a refused system call, one of `reported_syscalls`, was an attempt at."""
    if syscall != "socket":
        return Attempt("clone into a new namespace" if syscall == "clone" else syscall)
    what = _socket(*(argument & _LOW for argument in arguments[:3]))
    return Attempt(what, Tool.NET_SEND, NetSend("other", None, what))


def _socket(family: int, kind: int, protocol: int) -> str:
    if family in (AF_INET, AF_INET6):
        return "packet socket" if kind & 0xF == 10 else "raw socket"
    if family == AF_NETLINK:
        return f"netlink socket ({_NETLINKS.get(protocol, protocol)})"
    known = _FAMILIES.get(family)
    return f"{known} socket" if known else f"socket of family {family}"
