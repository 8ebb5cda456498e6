"""Who the agent is: ids outside, in the mounts' user namespace (U1) and in the agent's own (U2).

U1 owns mounts, network and pids and has the capabilities to set them up; U2, its child, is where the agent lives
without any. An ordinary user has one id to give: U1 maps 0 to it, U2 maps it back. Root gives a range of unprivileged
ids, so that whoever leaves the sandbox is nobody on the host; in U2 they bear the numbers that root's files have
outside.
"""

from __future__ import annotations

import os

import msgspec

from gmcp_sandbox.monitor.idrange import ROOT_RANGE_BASE, ROOT_RANGE_LENGTH

__all__ = ["ROOT_RANGE_BASE", "ROOT_RANGE_LENGTH", "Identity", "write_maps"]


class Identity(msgspec.Struct, frozen=True):
    """The caller and the id maps that follow.

    Attributes:
        uid, gid: Of the caller, outside; the agent sees the same numbers.
        base: Host id that U1's id 0 stands for.
        count: Length of the mapped range.
    """

    uid: int
    gid: int
    base_uid: int
    base_gid: int
    count: int

    @classmethod
    def of_caller(cls) -> Identity:
        """Return the identity that the effective user gives an agent."""
        if os.geteuid() == 0:
            return cls(0, 0, ROOT_RANGE_BASE, ROOT_RANGE_BASE, ROOT_RANGE_LENGTH)
        uid, gid = os.geteuid(), os.getegid()
        return cls(uid, gid, uid, gid, 1)

    @property
    def is_root(self) -> bool:
        """True when the caller is root, who can give a range."""
        return self.count > 1

    def outer_maps(self) -> tuple[str, str]:
        """Return uid_map and gid_map of U1 (inside, outside, count; user_namespaces(7))."""
        return f"0 {self.base_uid} {self.count}", f"0 {self.base_gid} {self.count}"

    def inner_maps(self) -> tuple[str, str]:
        """Return uid_map and gid_map of U2."""
        if self.is_root:
            return f"0 0 {self.count}", f"0 0 {self.count}"
        return f"{self.uid} 0 1", f"{self.gid} 0 1"


def write_maps(pid: int, maps: tuple[str, str], *, deny_setgroups: bool) -> None:
    """Write the id maps of the user namespace of process `pid`, each in one write(2).

    Raises:
        OSError: The writer lacks the right (see user_namespaces(7)).
    """
    steps = [("uid_map", maps[0]), ("gid_map", maps[1])]
    if deny_setgroups:
        steps.insert(0, ("setgroups", "deny"))
    for name, text in steps:
        fd = os.open(f"/proc/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
