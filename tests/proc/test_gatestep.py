"""The step that starts the gate."""

from __future__ import annotations

from gmcp_sandbox.calls.announced import NOTIFIED
from gmcp_sandbox.proc.confine import DropCapabilities
from gmcp_sandbox.proc.execgate import CAP_KILL, CAP_SYS_PTRACE
from gmcp_sandbox.proc.gatestep import start_gate
from gmcp_sandbox.proc.helper import AllowOnly
from gmcp_sandbox.proc.identity import Identity

USER = Identity(1000, 1000, 1000, 1000, 1)


def test_it_keeps_two_capabilities_and_opens_files_for_reading_only():
    steps = start_gate(USER).confinement
    (drop,) = (step for step in steps if isinstance(step, DropCapabilities))
    (allow,) = (step for step in steps if isinstance(step, AllowOnly))
    assert set(drop.kept) == {CAP_KILL, CAP_SYS_PTRACE}
    assert allow.reads
    assert not {"openat", "open", "execve", "socket", "connect"} & set(allow.syscalls)


def test_the_plan_says_what_it_is_told_of():
    assert start_gate(USER).describe() == f"start the exec gate, which is told of {', '.join(NOTIFIED)}"
