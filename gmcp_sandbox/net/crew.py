"""The two processes of the network shell: pump and relay, made and confined while the rest of the session is set up.

    stage ─┬─ pump    agent's device, then a new namespace with the gateway's device; carries packets
           └─ relay   carries the bytes of open flows

Invariants:
- Each holds its devices and its line to the supervisor and nothing else: no descriptor of the file system, of the
  agent's streams, of the terminal.
- The agent does not start before the pump has both devices: process 1 waits for its word.
"""

from __future__ import annotations

import contextlib
import os
import socket
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

import msgspec

from gmcp_sandbox import kernel
from gmcp_sandbox.errors import HostError
from gmcp_sandbox.net.namespace import make_sides
from gmcp_sandbox.net.pump import Pump
from gmcp_sandbox.net.pumpline import BROKEN
from gmcp_sandbox.net.relay import Relay

PUMP_SYSCALLS = ("bind", "listen", "setsockopt", "socket")
RELAY_SYSCALLS = ("getsockname", "getsockopt", "pipe2", "setsockopt", "shutdown", "splice")
_READY = b"ready"
_GATE = "network"


class _Stage(Protocol):
    root: bytes
    fds: dict[str, int]
    gates: dict[str, int]


class Step(Protocol):
    """One operation of a set-up."""

    def apply(self, stage: Any) -> None:
        """Take effect."""

    def describe(self) -> str:
        """Say what it does."""


class Gate:
    """Where process 1 waits for the word of one of us; it is said once."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._is_open = True

    def say(self, word: bytes) -> bool:
        """Say a word; return False when one was said before."""
        if not self._is_open:
            return False
        os.write(self.fd, word)
        self.close()
        return True

    def close(self) -> None:
        """Say nothing."""
        if self._is_open:
            self._is_open = False
            os.close(self.fd)


Member = Callable[[_Stage, socket.socket, Gate], None]
"""What a forked process is: it gets its line to the supervisor, and the gate."""


class StartCrew(msgspec.Struct, frozen=True):
    """Fork pump and relay. They set themselves up while this process goes on.

    Attributes:
        gids: First and last group of the user namespace.
        before: What each does first of all: die with its parent.
        pump, relay: What each gives up when it has what it needs.
    """

    gids: tuple[int, int]
    before: Step
    pump: tuple[Step, ...]
    relay: tuple[Step, ...]

    def apply(self, stage: _Stage) -> None:
        gate, word = os.pipe2(os.O_CLOEXEC)
        stage.fds["pump"] = fork_member(self.before, stage, word, self._be_pump)
        stage.fds["relay"] = fork_member(self.before, stage, word, self._be_relay)
        stage.gates[_GATE] = gate
        os.close(word)

    def describe(self) -> str:
        return "start the network's pump and relay, in a network namespace with a device and no way out"

    def _be_pump(self, stage: _Stage, line: socket.socket, gate: Gate) -> None:
        pump = Pump(*make_sides(self.gids), line=line)
        for step in self.pump:
            step.apply(stage)
        gate.say(_READY)
        pump.run()

    def _be_relay(self, stage: _Stage, line: socket.socket, gate: Gate) -> None:
        gate.close()
        relay = Relay(line)
        for step in self.relay:
            step.apply(stage)
        relay.run()


def fork_member(before: Step, stage: _Stage, word: int, be: Member) -> int:
    """Fork one that runs `be`; return our end of the line to it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        _run(before, stage, theirs, Gate(word), be)
    theirs.close()
    return ours.detach()


def _run(before: Step, stage: _Stage, line: socket.socket, gate: Gate, be: Member) -> NoReturn:
    """In the new process: let go of everything else, be what it is to be, and say why it ended if that was no end."""
    try:
        before.apply(stage)
        _keep_only(line.fileno(), gate.fd)
        be(stage, line, gate)
    except OSError as error:
        _tell(gate, line, str(error))
    except BaseException:  # noqa: BLE001 - our own bug, in a process that ends here in any case: said with its traceback
        _tell(gate, line, traceback.format_exc().strip()[-1000:])
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


def _tell(gate: Gate, line: socket.socket, why: str) -> None:
    """Tell process 1 during the set-up, which then ends the session, and the supervisor later."""
    with contextlib.suppress(OSError):
        if gate.say(why.encode()):
            line.recv(1)  # stay until the session has ended: that our line ends must not be told first
        else:
            line.send(bytes((BROKEN,)) + why.encode())


class AwaitCrew(msgspec.Struct, frozen=True):
    """In process 1: wait until the network is there."""

    def apply(self, stage: _Stage) -> None:
        gate = stage.gates.pop(_GATE)
        parts = []
        while part := os.read(gate, 4096):
            parts.append(part)
        os.close(gate)
        said = b"".join(parts)
        if said != _READY:
            why = said.decode(errors="replace").strip().rpartition("\n")[2] or "its pump ended without a word"
            raise HostError(f"cannot set up the network: {why}", hint="gmcp-sandbox doctor")

    def describe(self) -> str:
        return "wait for the network"
