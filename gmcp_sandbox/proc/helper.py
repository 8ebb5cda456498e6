"""What a helper process of ours gives up: one that handles hostile bytes and needs next to nothing of the kernel.

It loses every capability and every system call but those that it names, is opaque to ptrace and /proc, and dies with
the process that made it. It can change no file and run no program afterwards, and open none unless it says that it
reads.
"""

from __future__ import annotations

import errno
import os
import resource

import msgspec

from gmcp_sandbox.calls.fates import Condition
from gmcp_sandbox.proc import bpf
from gmcp_sandbox.proc.confine import (
    BecomeNamespaceRoot,
    DieWithParent,
    DropCapabilities,
    NoNewPrivileges,
    hide_process,
    last_capability,
    rename_process,
)
from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.plan import Stage, Step

_RUNTIME = """
    brk clock_gettime close epoll_ctl epoll_pwait epoll_wait exit exit_group fcntl futex getpid getrandom madvise mremap
    munmap read readv recvfrom recvmsg restart_syscall rt_sigaction rt_sigprocmask rt_sigreturn sendmsg sendto write
    writev
"""
"""What a Python program that waits for its descriptors and moves bytes between them asks the kernel."""
_NEVER_EXECUTABLE = ("mmap", "mprotect")
_PROT_EXEC = 0x4
_PROT_ARGUMENT = 2
_OPEN_FLAGS = 2
"""Of openat."""
_REFUSE = bpf.ERROR | errno.EPERM


def confinement(
    title: str, identity: Identity, syscalls: tuple[str, ...], *, kept: tuple[int, ...] = (), reads: bool = False
) -> tuple[Step, ...]:
    """Return the steps for a helper that needs these system calls besides a runtime's own.

    The process must be in the outer user namespace still, with its capabilities.

    Args:
        kept: Capabilities over the sandbox's user namespaces that it cannot do without.
        reads: Whether it opens files for reading.
    """
    become = (BecomeNamespaceRoot(),) if identity.is_root else ()
    return (
        *become,
        BecomeOpaque(title),
        DropCapabilities(last_capability(), kept),
        NoNewPrivileges(),
        DieWithParent(),  # after capabilities and ids: a change of credentials clears it
        AllowOnly(runtime_and(syscalls), reads),
    )


def runtime_and(syscalls: tuple[str, ...]) -> tuple[str, ...]:
    """Return these system calls and those of a Python program that waits and moves bytes."""
    return tuple(sorted({*_RUNTIME.split(), *syscalls}))


class BecomeOpaque(msgspec.Struct, frozen=True):
    """Hide from ptrace and /proc, leave no core, and bear a title that says nothing of the host."""

    title: str

    def apply(self, stage: Stage) -> None:
        rename_process(self.title)
        hide_process()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def describe(self) -> str:
        return f"become opaque ({self.title})"


class AllowOnly(msgspec.Struct, frozen=True):
    """Refuse every system call but these; no memory becomes executable."""

    syscalls: tuple[str, ...]
    reads: bool = False

    def apply(self, stage: Stage) -> None:
        answers = dict.fromkeys(self.syscalls, bpf.always(bpf.ALLOW))
        answers |= dict.fromkeys(_NEVER_EXECUTABLE, _where(Condition(_PROT_ARGUMENT, 0, _PROT_EXEC)))
        if self.reads:
            answers["openat"] = _where(Condition(_OPEN_FLAGS, 0, os.O_ACCMODE | os.O_CREAT | os.O_TRUNC))
        bpf.load(bpf.compiled(answers, _REFUSE))

    def describe(self) -> str:
        return f"allow {len(self.syscalls)} system calls and no other"


def _where(condition: Condition) -> bpf.Answer:
    """Allow a system call where this holds, and nowhere else."""
    return (bpf.Arm((condition,), bpf.ALLOW), *bpf.always(_REFUSE))
