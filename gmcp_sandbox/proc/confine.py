"""What an agent's process gives up before it runs its first instruction.

The order matters and is that of `AGENT_STEPS`: the keyring while capabilities are still there, then capabilities, then
no_new_privs, then the parent-death signal (a change of credentials clears it, prctl(2)), then the system-call filter,
which refuses much of what the steps before it needed.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal

import msgspec
import prctl

from gmcp_sandbox import kernel
from gmcp_sandbox.policy.profile import Limits
from gmcp_sandbox.proc.plan import Stage

_LAST_CAP_FILE = "/proc/sys/kernel/cap_last_cap"


class Unshare(msgspec.Struct, frozen=True):
    """Move into new namespaces."""

    flags: int
    names: str

    def apply(self, stage: Stage) -> None:
        kernel.unshare(self.flags)

    def describe(self) -> str:
        return f"create namespaces ({self.names})"


class BecomeNamespaceRoot(msgspec.Struct, frozen=True):
    """Take ids 0 of the user namespace; for root that is an unprivileged host id from here on."""

    def apply(self, stage: Stage) -> None:
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)

    def describe(self) -> str:
        return "become an unprivileged host id"


class ForbidMoreNamespaces(msgspec.Struct, frozen=True):
    """Leave room for exactly the agent's own user namespace."""

    def apply(self, stage: Stage) -> None:
        fd = os.open("/proc/sys/user/max_user_namespaces", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, b"1")
        finally:
            os.close(fd)

    def describe(self) -> str:
        return "forbid further user namespaces"


class NameHost(msgspec.Struct, frozen=True):
    """Give the sandbox a host name of its own."""

    name: str

    def apply(self, stage: Stage) -> None:
        kernel.sethostname(self.name.encode())

    def describe(self) -> str:
        return f"name the host {self.name}"


class NewKeyring(msgspec.Struct, frozen=True):
    """Leave the caller's session keyring."""

    def apply(self, stage: Stage) -> None:
        kernel.join_new_session_keyring()

    def describe(self) -> str:
        return "join a new session keyring"


class LimitResources(msgspec.Struct, frozen=True):
    """Set rlimits, hard and soft; those that a control group holds for the whole session are not set again."""

    limits: Limits

    def apply(self, stage: Stage) -> None:
        held = stage.groups.held if stage.groups is not None else frozenset()
        for what, value in self._pairs(held):
            if value is not None:
                ceiling = resource.getrlimit(what)[1]
                bound = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
                resource.setrlimit(what, (bound, bound))

    def _pairs(self, held: frozenset[str]) -> list[tuple[int, int | None]]:
        return [
            (resource.RLIMIT_NOFILE, self.limits.open_files),
            (resource.RLIMIT_NPROC, None if "pids" in held else self.limits.processes),
            (resource.RLIMIT_FSIZE, self.limits.file_bytes),
            (resource.RLIMIT_CORE, self.limits.core_bytes),
            (resource.RLIMIT_AS, None if "memory" in held else self.limits.memory_bytes),
            (resource.RLIMIT_CPU, self.limits.cpu_seconds),
        ]

    def describe(self) -> str:
        return f"limit resources ({self.limits.open_files} files, {self.limits.processes} processes)"


class DropCapabilities(msgspec.Struct, frozen=True):
    """Empty the bounding, ambient, effective, permitted and inheritable sets, but for what is kept."""

    last: int
    kept: tuple[int, ...] = ()

    def apply(self, stage: Stage) -> None:
        for capability in range(self.last + 1):
            if capability not in self.kept:
                prctl.capbset_drop(capability)
        kernel.keep_capabilities(self.kept)

    def describe(self) -> str:
        return "drop all capabilities" if not self.kept else f"drop all capabilities but {len(self.kept)}"


class NoNewPrivileges(msgspec.Struct, frozen=True):
    """Make set-user-ID programs and file capabilities ordinary."""

    def apply(self, stage: Stage) -> None:
        prctl.set_no_new_privs(1)

    def describe(self) -> str:
        return "set no_new_privs"


class BecomeReadable(msgspec.Struct, frozen=True):
    """Let the exec gate read our memory until the first exec, which asks for it like any other.

    Changes of ids made it opaque even to who has every right over its user namespace. Nothing of the agent runs yet.
    """

    def apply(self, stage: Stage) -> None:
        prctl.set_dumpable(1)

    def describe(self) -> str:
        return "be readable for the exec gate"


class DieWithParent(msgspec.Struct, frozen=True):
    """Be killed when the parent ends."""

    def apply(self, stage: Stage) -> None:
        prctl.set_pdeathsig(signal.SIGKILL)

    def describe(self) -> str:
        return "die with the parent"


def last_capability() -> int:
    """Return the number of the highest capability that the kernel knows."""
    with open(_LAST_CAP_FILE, encoding="ascii") as file:
        return int(file.read())


def rename_process(title: str) -> None:
    """Give the calling process a command line that says nothing of the host.

    Not by prctl.set_proctitle: it looks for the old one by walking back from the environment, and a long command line
    or a changed environment makes it write elsewhere or crash. The kernel knows the place (proc_pid_stat(5), arg_start
    and arg_end, fields 48 and 49).
    """
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()  # from field 3 on
    start, end = int(fields[45]), int(fields[46])
    if 0 < start < end:
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, title.encode()[: end - start - 1], min(len(title), end - start - 1))
    prctl.set_name(title[:15])


def hide_process() -> None:
    """Make the calling process opaque: no ptrace, no /proc entries (PR_SET_DUMPABLE 0, ptrace(2))."""
    prctl.set_dumpable(0)
