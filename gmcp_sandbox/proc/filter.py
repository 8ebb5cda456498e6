"""The system-call filter: what the agent may ask the kernel at all.

It is an allow-list, made from the mediation table alone, so that table and filter cannot differ: what a family allows
passes, what a family refuses fails with the family's errno, and what nobody has named fails with ENOSYS, whatever a
later kernel makes of it. Foreign architectures and x32 kill the process.
"""

from __future__ import annotations

import errno
import os
import platform
import socket

import msgspec

from gmcp_sandbox.calls.attempts import reported_syscalls
from gmcp_sandbox.calls.fates import Rule
from gmcp_sandbox.calls.numbers import numbers_of
from gmcp_sandbox.calls.refusals import UNNAMED, rules
from gmcp_sandbox.proc import bpf, notify
from gmcp_sandbox.proc.plan import Stage

LISTENER = "listener"
"""Where the stage keeps the way to the exec gate."""


class LoadFilter(msgspec.Struct, frozen=True):
    """Load the filter into the calling process.

    Attributes:
        notified: System calls that the exec gate is told of before they happen. Its listener goes to the gate over the
            stage's `listener`; with none of them there is no listener.
        debugging: Whether the agent may act on its own other processes' memory.
    """

    notified: tuple[str, ...] = ()
    debugging: bool = False

    def apply(self, stage: Stage) -> None:
        program = bpf.compiled(self.answers(), _refusal(UNNAMED))
        if not self.notified:
            bpf.load(program)
            return
        listener = notify.load(program)
        gate = socket.socket(fileno=stage.gates.pop(LISTENER))
        socket.send_fds(gate, [b"l"], [listener])
        gate.close()
        os.close(listener)

    def answers(self) -> dict[str, bpf.Answer]:
        """Return what the filter answers, by system call."""
        told = reported_syscalls() if self.notified else frozenset()
        found = {
            name: tuple(_arm(rule, name in told) for rule in cases)
            for name, cases in rules(debugging=self.debugging).items()
        }
        return found | dict.fromkeys(self.notified, bpf.always(bpf.NOTIFY))

    def describe(self) -> str:
        every = rules(debugging=self.debugging)
        allowed = sum(any(rule.errno is None for rule in cases) for cases in every.values())
        told = f", {len(self.notified)} announced" if self.notified else ""
        debugged = ", debugging among them" if self.debugging else ""
        return f"load the system-call filter ({allowed} system calls allowed{debugged}{told}, no others)"


def _arm(rule: Rule, is_told: bool) -> bpf.Arm:
    if rule.errno is None:
        return bpf.Arm(rule.conditions, bpf.ALLOW)
    return bpf.Arm(rule.conditions, bpf.NOTIFY if is_told else _refusal(rule.errno))  # the gate answers with the errno


def _refusal(name: str) -> int:
    return bpf.ERROR | int(getattr(errno, name))


def number_of(name: str) -> int:
    """Return the number of a system call here. Raises KeyError when this machine does not have it."""
    return numbers_of(platform.machine())[name]
