"""The system-call filter: what the agent may not even ask the kernel.

The rules are the refusals of the mediation table, so that table and filter cannot differ. Foreign architectures and x32
kill the process; system calls that neither the library nor the table can name fail with ENOSYS.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from typing import Any

import msgspec

from gmcp_sandbox.calls.attempts import is_reported
from gmcp_sandbox.calls.fates import Comparison, Condition
from gmcp_sandbox.calls.refusals import refusals
from gmcp_sandbox.calls.syscalls import NEWER
from gmcp_sandbox.proc import notify
from gmcp_sandbox.proc.plan import Stage

_FIRST_RECENT, _LAST_FUTURE = 335, 600
"""From the first number that not every library can name to well past the last that exists (syscall_64.tbl)."""
_BINARY_TREE = 2
_UNRESOLVED = -1
_PROGRAM_BYTES = 4096 * 8
"""The most that the kernel takes (BPF_MAXINSNS)."""
LISTENER = "listener"
"""Where the stage keeps the way to the exec gate."""


def load_library() -> None:
    """Import the seccomp library, whose import is late because it is slow."""
    import pyseccomp  # noqa: F401


class LoadFilter(msgspec.Struct, frozen=True):
    """Load the filter into the calling process.

    Attributes:
        notified: System calls that the exec gate is told of before they happen. Its listener goes to the gate over the
            stage's `listener`; with none of them there is no listener.
    """

    notified: tuple[str, ...] = ()

    def apply(self, stage: Stage) -> None:
        if not self.notified:
            self._chain().load()
            return
        listener = notify.load(_program(self._chain()))
        gate = socket.socket(fileno=stage.gates.pop(LISTENER))
        socket.send_fds(gate, [b"l"], [listener])
        gate.close()
        os.close(listener)

    def _chain(self) -> Any:
        import pyseccomp

        chain = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        chain.set_attr(pyseccomp.Attr.ACT_BADARCH, pyseccomp.KILL_PROCESS)
        chain.set_attr(pyseccomp.Attr.CTL_OPTIMIZE, _BINARY_TREE)
        for refusal in refusals():
            is_told = bool(self.notified) and is_reported(refusal)  # the gate answers with the same errno
            action = pyseccomp.NOTIFY if is_told else pyseccomp.ERRNO(getattr(errno, refusal.errno))
            conditions = [_argument(pyseccomp, condition) for condition in refusal.conditions]
            chain.add_rule(action, _number(pyseccomp, refusal.syscall), *conditions)
        for number in unnamed_numbers():
            chain.add_rule(pyseccomp.ERRNO(errno.ENOSYS), number)
        for name in self.notified:
            chain.add_rule(pyseccomp.NOTIFY, name)
        return chain

    def describe(self) -> str:
        count = len({each.syscall for each in refusals()})
        told = f", {len(self.notified)} announced" if self.notified else ""
        return f"load the system-call filter ({count} system calls refused or restricted{told})"


def _program(chain: Any) -> bytes:
    """Return a filter as the kernel takes it, because the library loads none with all flags that we want."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    with open(reader, "rb") as file:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PROGRAM_BYTES)
        with open(writer, "wb") as target:
            chain.export_bpf(target)
        return file.read()


def number_of(name: str) -> int:
    """Return the number of a system call. Raises OSError when neither the library nor the table knows it."""
    import pyseccomp

    return _number(pyseccomp, name)


def _number(library: Any, name: str) -> int:
    """Return the number of a system call. Raises OSError when neither the library nor the table knows it."""
    found: int = library.resolve_syscall(library.Arch.NATIVE, name)
    if found != _UNRESOLVED:
        return found
    if name not in NEWER:
        raise OSError(errno.ENOSYS, f"the seccomp library does not know {name}")
    return NEWER[name]


def _argument(library: Any, condition: Condition) -> Any:
    if condition.comparison is Comparison.AT_LEAST:
        return library.Arg(condition.index, library.GE, condition.value)
    return library.Arg(condition.index, library.MASKED_EQ, condition.mask, condition.value)


def unnamed_numbers() -> list[int]:
    """Return the recent and future numbers that neither the library nor the table can name."""
    import pyseccomp

    named = set(NEWER.values())
    unnamed = []
    for number in range(_FIRST_RECENT, _LAST_FUTURE):
        try:
            is_known = bool(pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, number))
        except (ValueError, OSError):
            is_known = False
        if not is_known and number not in named:
            unnamed.append(number)
    return unnamed
