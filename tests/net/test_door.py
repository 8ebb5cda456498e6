"""The door: connects to its own loopback, and says what came of it."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.net.door import ask, serve
from gmcp_sandbox.net.passing import receive


@contextmanager
def door():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    thread = threading.Thread(target=serve, args=(theirs,))
    thread.start()
    try:
        yield ours
    finally:
        ours.close()
        thread.join()
        theirs.close()


def answer(line):
    select.select([line], [], [])
    buffer = bytearray(16)
    length, fds = receive(line, buffer)
    return int.from_bytes(buffer[:length], "big"), [socket.socket(fileno=fd) for fd in fds]


@pytest.mark.parametrize(("which", "host"), [(0, "127.0.0.1"), (1, "::1")])
def test_a_connection_comes_up(which, host):
    if which and not socket.has_dualstack_ipv6():
        pytest.skip("this host lacks IPv6")
    with socket.create_server((host, 0), family=socket.AF_INET6 if which else socket.AF_INET) as server, door() as line:
        line.send(ask(which, server.getsockname()[1]))
        code, (sock,) = answer(line)
        assert code == 0 and not sock.get_inheritable()
        accepted, _ = server.accept()
        sock.setblocking(True)
        with sock, accepted:
            accepted.sendall(b"hello")
            assert sock.recv(10) == b"hello"


def test_several_requests_have_their_answers_in_order():
    with socket.create_server(("127.0.0.1", 0)) as server, door() as line:
        for _ in range(3):
            line.send(ask(0, server.getsockname()[1]))
        for _ in range(3):
            code, (sock,) = answer(line)
            assert code == 0
            sock.close()


@given(st.binary(max_size=16).filter(lambda request: len(request) != 3))
def test_anything_else_ends_it(request):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.send(request)
        serve(theirs)
