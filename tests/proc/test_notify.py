"""A listener and its answers, for real, in processes of our own."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket

import prctl
import pytest

from gmcp_sandbox.proc import notify
from gmcp_sandbox.proc.filter import LISTENER, LoadFilter, number_of
from gmcp_sandbox.proc.plan import Stage


@pytest.fixture
def told():
    """A child under a filter that tells of getpgid(2): (listener, where it says what it got, its pid)."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    answers, said = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            stage = Stage(b"")
            stage.gates[LISTENER] = theirs.detach()
            prctl.set_no_new_privs(1)
            LoadFilter(("getpgid",)).apply(stage)
            for _ in range(2):
                _ask(said)
        finally:
            os._exit(0)
    theirs.close()
    os.close(said)
    _, (listener,), _, _ = socket.recv_fds(ours, 1, 1)
    ours.close()
    yield listener, answers, pid
    os.close(listener)
    os.close(answers)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _ask(said):
    """Make the call, and say what came of it."""
    try:
        os.write(said, b"1\n" if os.getpgid(0) > 0 else b"0\n")
    except OSError as error:
        os.write(said, f"e{error.errno}\n".encode())


def _receive(listener):
    assert select.select([listener], [], [], 20)[0]
    return notify.receive(listener)


def test_a_call_waits_for_its_answer(told):
    listener, answers, pid = told
    notify.wake_beside(listener)
    first = _receive(listener)
    assert (first.tid, first.number, first.arguments[0]) == (pid, number_of("getpgid"), 0)
    assert notify.is_waiting(listener, first)
    assert notify.let_go(listener, first)
    assert os.read(answers, 10) == b"1\n"
    second = _receive(listener)
    assert notify.refuse(listener, second, errno.EACCES)
    assert os.read(answers, 10) == b"e13\n"
    assert not notify.is_waiting(listener, second)
    assert not notify.let_go(listener, second)


def test_a_caller_that_is_killed_waits_no_more(told):
    listener, _, pid = told
    waiting = _receive(listener)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not notify.is_waiting(listener, waiting)
    assert not notify.refuse(listener, waiting, errno.EPERM)


def test_a_program_that_is_none():
    with pytest.raises(OSError):
        notify.load(b"")
