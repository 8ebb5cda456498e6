"""What a helper process gives up that was started as a program of its own, outside of a session's namespaces.

It moves into namespaces of its own, without a network; under root it takes an id that is nobody's. After that it is
like the other helpers (`proc/helper.py`).
"""

from __future__ import annotations

import os
import resource

import msgspec
import prctl

from gmcp_sandbox import kernel
from gmcp_sandbox.proc.confine import DieWithParent, NoNewPrivileges, Unshare, last_capability
from gmcp_sandbox.proc.helper import AllowOnly, BecomeOpaque, runtime_and
from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.plan import Stage, Step


def seclusion(title: str, identity: Identity, syscalls: tuple[str, ...], *, memory_bytes: int) -> tuple[Step, ...]:
    """Return the steps for a process of the caller's that needs these system calls besides a runtime's own."""
    flags = kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
    flags |= 0 if identity.is_root else kernel.CLONE_NEWUSER
    return (
        Unshare(flags, "network, ipc, uts" if identity.is_root else "user, network, ipc, uts"),
        LoseCapabilities(last_capability(), (identity.base_uid, identity.base_gid) if identity.is_root else None),
        BecomeOpaque(title),
        LimitMemory(memory_bytes),
        NoNewPrivileges(),
        DieWithParent(),  # after capabilities and ids: a change of credentials clears it
        AllowOnly(runtime_and(syscalls)),
    )


class LoseCapabilities(msgspec.Struct, frozen=True):
    """Empty all sets of capabilities, and take other ids where they are given."""

    last: int
    ids: tuple[int, int] | None

    def apply(self, stage: Stage) -> None:
        for capability in range(self.last + 1):
            prctl.capbset_drop(capability)
        if self.ids is not None:
            uid, gid = self.ids
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
        kernel.drop_capabilities()

    def describe(self) -> str:
        return "drop all capabilities"


class LimitMemory(msgspec.Struct, frozen=True):
    """Bound the address space."""

    size: int

    def apply(self, stage: Stage) -> None:
        resource.setrlimit(resource.RLIMIT_AS, (self.size, self.size))

    def describe(self) -> str:
        return f"limit memory to {self.size} bytes"
