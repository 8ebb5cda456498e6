"""Starting the exec gate: a step of the set-up, before anything else is set up, so that it gets ready meanwhile."""

from __future__ import annotations

import errno
import os
import socket
from typing import NoReturn

import msgspec

from gmcp_sandbox import kernel
from gmcp_sandbox.calls.announced import NOTIFIED
from gmcp_sandbox.calls.attempts import reported_syscalls
from gmcp_sandbox.proc.confine import DieWithParent
from gmcp_sandbox.proc.execgate import CAP_KILL, CAP_SYS_PTRACE, GATE_SYSCALLS, be_gate
from gmcp_sandbox.proc.filter import LISTENER, number_of
from gmcp_sandbox.proc.helper import confinement
from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.memory import Processes
from gmcp_sandbox.proc.plan import Stage, Step
from gmcp_sandbox.proc.startline import BROKEN, Line, Message

ANNOUNCING, TALKING = "starts", "gate"
"""Names of the two lines to the supervisor."""


_READY = b"r"
_ASKED = b"?"
_PATIENCE_SECONDS = 5.0


class AwaitGate(msgspec.Struct, frozen=True):
    """Wait until the gate is confined: a change of root moves its root, too, and takes the host's /proc from it."""

    def apply(self, stage: Stage) -> None:
        gate = socket.socket(fileno=os.dup(stage.gates[LISTENER]))
        with gate:
            if gate.recv(1) != _READY:
                raise OSError(errno.EPIPE, "it ended before it was ready")

    def describe(self) -> str:
        return "wait for the exec gate"


class Question:
    """Process 1's way to ask whether the gate still stood when the agent ended.

    The kernel tells of the two ends in either order, and without a gate an agent often ends by itself, with a status
    of its own: a session that says so would hide that the gate had failed.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    @classmethod
    def of(cls, stage: Stage) -> Question | None:
        """Take over the line, in process 1 when the agent's process has its own copy; None: there is no gate."""
        fd = stage.gates.pop(LISTENER, None)
        return None if fd is None else cls(socket.socket(fileno=fd))

    def close(self) -> None:
        """Ask no more."""
        self._line.close()

    def is_answered(self) -> bool:
        """Ask, and wait for the answer: a gate that ends, however far it has come with that, gives none."""
        self._line.settimeout(_PATIENCE_SECONDS)
        try:
            self._line.send(_ASKED, socket.MSG_NOSIGNAL)
            return self._line.recv(1) == _ASKED
        except OSError:
            return False


class StartGate(msgspec.Struct, frozen=True):
    """Fork the gate.

    Attributes:
        before: What it does first of all: die with its parent.
        confinement: What it gives up.
        notified: System calls that it is told of.
    """

    before: Step
    confinement: tuple[Step, ...]
    notified: tuple[str, ...]

    def apply(self, stage: Stage) -> None:
        announcing, their_announcing = Line.pair()
        talking, their_talking = Line.pair()
        listener, arrival = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            self._run(stage, arrival, their_announcing, their_talking)
        for end in (arrival, their_announcing, their_talking):
            end.close()
        stage.fds[ANNOUNCING] = announcing.detach()
        stage.fds[TALKING] = talking.detach()
        stage.gates[LISTENER] = listener.detach()

    def describe(self) -> str:
        return f"start the exec gate, which is told of {', '.join(self.notified)}"

    def _run(self, stage: Stage, arrival: socket.socket, announcing: Line, talking: Line) -> NoReturn:
        try:
            self.before.apply(stage)
            numbers = {number_of(name): name for name in (*self.notified, *reported_syscalls())}
            processes = Processes()  # of the host, while its root is ours
            _keep_only(arrival.fileno(), announcing.fileno(), talking.fileno(), processes.fd)
            for step in self.confinement:
                step.apply(stage)
            arrival.send(_READY)
            be_gate(arrival, announcing, talking, processes, numbers)
        except BaseException as error:  # noqa: BLE001 - our own bug, or a step refused, in a process that ends here
            talking.send(Message(BROKEN, 0, (f"{type(error).__name__}: {error}".encode()[:4096],)))
        finally:
            os._exit(0)


def _keep_only(*kept: int) -> None:
    """Close all other descriptors; the first three lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    first = 3
    for fd in sorted(kept):
        if fd > first:
            kernel.close_range(first, fd - 1)
        first = fd + 1
    kernel.close_range(first)


def start_gate(identity: Identity) -> StartGate:
    """Return the step for a session of this caller."""
    steps = confinement("gmcp-gate", identity, GATE_SYSCALLS, kept=(CAP_KILL, CAP_SYS_PTRACE), reads=True)
    return StartGate(DieWithParent(), steps, NOTIFIED)
