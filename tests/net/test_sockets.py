from __future__ import annotations

import socket

import pytest

from gmcp_sandbox.net import sockets
from gmcp_sandbox.net.pump import listen
from tests.net.test_relay import tcp_pair


def test_a_reset_takes_what_came_for_cut_short():
    near, far = tcp_pair()
    sockets.reset(far)
    with near, pytest.raises(ConnectionResetError):
        near.recv(1)


def test_options_of_a_closed_socket_are_no_matter():
    sock = socket.socket()
    sock.close()
    sockets.reset_on_close(sock)
    sockets.thaw(sock)


def test_nothing_comes_in_while_frozen_and_everything_later():
    near, far = tcp_pair()
    with near, far:
        near.sendall(b"before")
        sockets.freeze(far)
        near.sendall(b" and after")
        far.settimeout(0.05)
        assert far.recv(100) == b"before"
        with pytest.raises(TimeoutError):
            far.recv(100)
        sockets.thaw(far)
        far.settimeout(10)
        assert far.recv(100) == b" and after"  # the sender's kernel says it again


def test_the_ends_of_a_connection_in_both_families():
    with listen(0) as listener:
        port = listener.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            with socket.create_connection((address, port)) as near:
                sock, _ = listener.accept()
                with sock:
                    assert sockets.ends(sock) == (near.getsockname()[1], address, port)


def test_mapped_addresses_are_written_as_what_they_are():
    assert sockets.plain("::ffff:203.0.113.9") == "203.0.113.9"
    assert sockets.plain("2001:db8::1") == "2001:db8::1"
