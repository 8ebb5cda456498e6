"""The step that starts the gate."""

from __future__ import annotations

import socket

import pytest

from gmcp_sandbox.calls.announced import NOTIFIED
from gmcp_sandbox.proc.confine import DropCapabilities
from gmcp_sandbox.proc.execgate import CAP_KILL, CAP_SYS_PTRACE
from gmcp_sandbox.proc.filter import LISTENER
from gmcp_sandbox.proc.gatestep import AwaitGate, Question, start_gate
from gmcp_sandbox.proc.helper import AllowOnly
from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.plan import Stage

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


def _await(*said):
    """Wait for a gate that says this and ends."""
    ours, gate = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for word in said:
        gate.send(word)
    gate.close()
    stage = Stage(b"")
    stage.gates[LISTENER] = ours.fileno()
    try:
        AwaitGate().apply(stage)
        return ours.fileno() >= 0
    finally:
        ours.close()


def test_process_1_waits_until_it_is_ready():
    assert _await(b"r")


def test_one_that_ended_before_is_no_gate():
    with pytest.raises(OSError, match="before it was ready"):
        _await()


def test_without_a_gate_there_is_nothing_to_ask():
    assert Question.of(Stage(b"")) is None


def test_a_gate_that_ended_after_it_was_asked_did_not_answer():
    ours, gate = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stage = Stage(b"")
    stage.gates[LISTENER] = ours.detach()
    question = Question.of(stage)
    gate.close()
    assert stage.gates == {}
    assert not question.is_answered()
    question.close()
