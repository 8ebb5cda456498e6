"""Connections into the sandbox: a small process in the agent's network namespace that opens them when it is told to.

Guarantees: it connects to the agent's own loopback and to nothing else, and passes the socket up without waiting for
the connection to come about. It has no capability and a handful of system calls.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Any, Final, Protocol

import msgspec

from gmcp_sandbox.net.crew import Gate, Step, fork_member

DOOR_SYSCALLS: Final = ("connect", "socket")
LOOPBACKS: Final = ("127.0.0.1", "::1")
"""Which the requests number."""
_UNDER_WAY: Final = frozenset({0, errno.EINPROGRESS})


class _Stage(Protocol):
    root: bytes
    fds: dict[str, int]
    gates: dict[str, int]


class StartDoor(msgspec.Struct, frozen=True):
    """Fork the process.

    Attributes:
        before: What it does first of all: die with its parent.
        confinement: What it gives up.
    """

    before: Step
    confinement: tuple[Step, ...]

    def apply(self, stage: _Stage) -> None:
        nobody, word = os.pipe2(os.O_CLOEXEC)
        os.close(nobody)  # what goes wrong is met when a connection is asked for
        stage.fds["door"] = fork_member(self.before, stage, word, self._be_door)
        os.close(word)

    def describe(self) -> str:
        return "start the door for published ports"

    def _be_door(self, stage: Any, line: socket.socket, gate: Gate) -> None:
        for step in self.confinement:
            step.apply(stage)
        gate.close()
        serve(line)


def ask(which: int, port: int) -> bytes:
    """Return the request for a connection to a port of one of `LOOPBACKS`."""
    return which.to_bytes(1, "big") + port.to_bytes(2, "big")


def serve(line: socket.socket) -> None:
    """Answer requests until the line ends: an errno, and with 0 a socket whose connection is under way."""
    while len(request := line.recv(16)) == 3:
        address = LOOPBACKS[request[0] & 1]
        family = socket.AF_INET6 if request[0] & 1 else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        except OSError as error:
            _answer(line, error.errno or errno.EIO)
            continue
        with sock:
            code = sock.connect_ex((address, int.from_bytes(request[1:], "big")))
            if code in _UNDER_WAY:
                _answer(line, 0, sock.fileno())
            else:
                _answer(line, code)


def _answer(line: socket.socket, code: int, *fds: int) -> None:
    socket.send_fds(line, [code.to_bytes(2, "big")], list(fds))
