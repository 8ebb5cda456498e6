"""Where the agent's ssh clients find the ssh-agent: a socket in the sandbox that the supervisor answers.

The socket is made in the set-up process and handed to the supervisor; process 1 gives it its name in the new root,
where nothing but the agent's own processes can see it.
"""

from __future__ import annotations

import os
import socket
from typing import Final, Protocol

import msgspec

AGENT_SOCKET: Final = "/dev/shm/ssh-agent"
_NAME: Final = "ssh-agent"
_BACKLOG: Final = 16


class _Stage(Protocol):
    root: bytes
    fds: dict[str, int]
    gates: dict[str, int]


class MakeAgentSocket(msgspec.Struct, frozen=True):
    """In the set-up process: make the socket, for the supervisor and for process 1."""

    def apply(self, stage: _Stage) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        stage.gates[_NAME] = os.dup(sock.fileno())
        stage.fds[_NAME] = sock.detach()

    def describe(self) -> str:
        return "make a socket for the ssh-agent"


class NameAgentSocket(msgspec.Struct, frozen=True):
    """In process 1: give the socket its name, and let clients come."""

    path: str = AGENT_SOCKET

    def apply(self, stage: _Stage) -> None:
        path = stage.root + os.fsencode(self.path)
        with socket.socket(fileno=stage.gates.pop(_NAME)) as sock:
            sock.bind(path)
            os.chmod(path, 0o666)  # noqa: S103 - nobody else sees it, and the agent has another id than process 1
            sock.listen(_BACKLOG)

    def describe(self) -> str:
        return f"put the ssh-agent's socket at {self.path}"
