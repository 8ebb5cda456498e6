"""The ssh-agent's socket: made by one process, named by another, answered by a third."""

from __future__ import annotations

import os
import socket

from gmcp_sandbox.net.agentsocket import MakeAgentSocket, NameAgentSocket
from gmcp_sandbox.proc.plan import Stage


def test_clients_reach_whoever_holds_the_socket(tmp_path) -> None:
    stage = Stage(os.fsencode(tmp_path))
    MakeAgentSocket().apply(stage)
    with socket.socket(fileno=stage.fds["ssh-agent"]) as ours:
        assert not ours.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        NameAgentSocket("/a").apply(stage)
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and not stage.gates
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "a"))
            accepted, _ = ours.accept()
            accepted.close()


def test_the_steps_say_what_they_do() -> None:
    assert "ssh-agent" in MakeAgentSocket().describe() and "/dev/shm/ssh-agent" in NameAgentSocket().describe()
