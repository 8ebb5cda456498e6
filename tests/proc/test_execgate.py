"""The gate in a process of its own, with a child under its filter: what it announces and what it lets begin."""

from __future__ import annotations

import os
import select
import signal
import socket

import prctl
import pytest

from gmcp_sandbox.proc.execgate import be_gate
from gmcp_sandbox.proc.filter import LISTENER, LoadFilter, number_of
from gmcp_sandbox.proc.gatestep import Question
from gmcp_sandbox.proc.memory import Processes
from gmcp_sandbox.proc.plan import Stage
from gmcp_sandbox.proc.startline import ANNOUNCED, BEGIN, KILL, RAN, REFUSED, Line, Message


class Run:
    """A gate and a child that execs."""

    def __init__(self, act):
        listener, arrival = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.announcing, announcing = Line.pair()
        self.talking, talking = Line.pair()
        numbers = {number_of(name): name for name in ("execve", "execveat")}
        self.parent = Question(listener.dup())
        self.gate = os.fork()
        if self.gate == 0:
            self.parent.close()
            listener.close()
            self.announcing.close()
            self.talking.close()
            be_gate(arrival, announcing, talking, Processes(), numbers)
        self.child = os.fork()
        if self.child == 0:
            try:
                stage = Stage(b"")
                stage.gates[LISTENER] = listener.detach()
                prctl.set_no_new_privs(1)
                LoadFilter(("execve", "execveat")).apply(stage)
                act()
            finally:
                os._exit(9)
        for end in (listener, arrival, announcing, talking):
            end.close()

    def said(self, line):
        assert select.select([line.fileno()], [], [], 20)[0]
        return line.receive()

    def end(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])

    def close(self):
        self.parent.close()
        self.talking.close()
        self.announcing.close()
        os.waitpid(self.gate, 0)


@pytest.fixture
def run():
    made = []

    def start(act):
        made.append(Run(act))
        return made[-1]

    yield start
    for each in made:
        each.close()


def test_a_program_is_announced_and_begins_without_a_word(run):
    started = run(lambda: os.execv("/bin/true", ["./true", "a", ""]))
    directory = os.fsencode(os.getcwd())
    expected = Message(ANNOUNCED, started.child, (b"/bin/true", directory, b"./true", b"a", b""))
    assert started.said(started.announcing) == expected
    assert started.end() == 0
    assert started.talking.receive() is None


@pytest.mark.parametrize(("answer", "code"), [(BEGIN, 0), (KILL, -signal.SIGKILL)])
def test_an_interpreter_waits_for_the_supervisors_word(run, tmp_path, answer, code):
    script = tmp_path / "script"
    script.write_text("#!/bin/true -x\n")
    script.chmod(0o755)
    started = run(lambda: os.execv(script, ["a", "b"]))
    expected = Message(RAN, started.child, (b"/bin/true", b"-x", os.fsencode(script), b"b"))
    assert started.said(started.talking) == expected
    started.talking.send(Message(answer, started.child))
    assert started.end() == code


def test_a_descriptor_is_spelled_as_an_interpreter_sees_it(run):
    fd = os.open("/bin/true", os.O_RDONLY)
    started = run(lambda: os.execve(fd, ["t"], {}))
    os.close(fd)
    assert started.said(started.announcing).words[0] in (b"/dev/fd/%d" % fd, b"/proc/self/fd/%d" % fd)
    assert started.end() == 0


def test_process_1_hears_that_it_stands_until_it_does_not(run):
    started = run(lambda: os.execv("/bin/true", ["true"]))
    assert started.end() == 0
    assert started.parent.is_answered()
    assert started.parent.is_answered()
    os.kill(started.gate, signal.SIGKILL)
    assert not started.parent.is_answered()


def test_it_serves_on_when_process_1_has_gone(run):
    started = run(lambda: os.execv("/bin/true", ["true"]))
    started.parent.close()
    assert started.said(started.announcing).kind == ANNOUNCED
    assert started.end() == 0


def test_what_cannot_be_read_does_not_run(run):
    import ctypes

    started = run(lambda: ctypes.CDLL(None).execve(ctypes.c_void_p(8), None, None))
    message = started.said(started.talking)
    assert (message.kind, message.words[-1]) == (REFUSED, b"14")
    assert started.end() == 9
