from __future__ import annotations

import os
import socket
import traceback

import pytest

from gmcp_sandbox import kernel
from gmcp_sandbox.net.namespace import RaiseLoopback
from gmcp_sandbox.proc.plan import Stage


def _in_new_namespace(action):
    """Run `action` in a child with a network namespace of its own; return the child's exit code."""
    pid = os.fork()
    if pid == 0:
        try:
            kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNET)
            action()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - said, in a process that ends here
            traceback.print_exc()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _talk():
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname(), timeout=5) as client:
            client.sendall(b"hello")
            assert server.accept()[0].recv(5) == b"hello"


@pytest.mark.needs("userns")
def test_programs_inside_can_talk_to_each_other():
    def action():
        RaiseLoopback().apply(Stage(root=b""))
        _talk()

    assert _in_new_namespace(action) == 0


@pytest.mark.needs("userns")
def test_without_it_there_is_no_network_at_all():
    def action():
        with pytest.raises(OSError, match="unreachable"):
            _talk()

    assert _in_new_namespace(action) == 0
