"""The relay on real sockets, run in a thread."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from gmcp_sandbox.net.relay import Relay
from gmcp_sandbox.net.relayline import CLOSE, ENDED, ENDINGS, MOVED, OPEN, OPENING, REPORT

SECONDS = 10


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    near.settimeout(SECONDS)
    far.setblocking(False)
    return near, far


@dataclass
class Ends:
    line: socket.socket

    def open(self, number=1, idle=60.0):
        """Hand a flow over; return what the agent and the upstream hold."""
        agent, inner = tcp_pair()
        upstream, outer = tcp_pair()
        with inner, outer:
            socket.send_fds(self.line, [OPENING.pack(OPEN, number, idle)], [inner.fileno(), outer.fileno()])
        return agent, upstream

    def ended(self):
        """Return number, bytes and ending of the next flow that ends."""
        while True:
            word, number, up, down, how = REPORT.unpack(self.line.recv(100))
            if word == ENDED:
                return number, up, down, ENDINGS[how]
            assert word == MOVED


@contextmanager
def relaying() -> Iterator[Ends]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(SECONDS)
    thread = threading.Thread(target=Relay(theirs).run)
    thread.start()
    try:
        yield Ends(ours)
    finally:
        ours.close()
        thread.join(SECONDS)
        theirs.close()
    assert not thread.is_alive()


def read_all(sock):
    parts = []
    while part := sock.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def test_bytes_and_ends_pass_in_both_directions_each_by_itself():
    with relaying() as ends:
        agent, upstream = ends.open()
        with agent, upstream:
            agent.sendall(b"question")
            agent.shutdown(socket.SHUT_WR)
            assert read_all(upstream) == b"question"
            upstream.sendall(b"a longer answer")  # although the other direction has ended
            upstream.close()
            assert read_all(agent) == b"a longer answer"
        assert ends.ended() == (1, 8, 15, "closed")


def test_a_slow_reader_gets_everything_and_holds_the_sender_back():
    size = 64 << 20
    with relaying() as ends:
        agent, upstream = ends.open()
        with agent, upstream:
            upstream.setblocking(False)
            block, sent = os.urandom(1 << 20), 0
            with contextlib.suppress(BlockingIOError):
                while sent < size:  # nobody reads: what fits into the kernel's buffers and one pipe
                    sent += upstream.send(block)
            assert sent < size
            upstream.close()
            assert len(read_all(agent)) == sent
            agent.close()
        assert ends.ended() == (1, 0, sent, "closed")


@pytest.mark.parametrize("breaks", ["agent", "upstream"])
def test_a_reset_of_one_side_is_a_reset_for_the_other(breaks):
    with relaying() as ends:
        agent, upstream = ends.open()
        broken, other = (agent, upstream) if breaks == "agent" else (upstream, agent)
        with other:
            broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            broken.close()
            with pytest.raises(ConnectionResetError):
                other.recv(1)
        assert ends.ended()[3] == "reset"


def test_a_flow_that_is_closed_on_command_is_reset():
    with relaying() as ends:
        agent, upstream = ends.open(number=7)
        with agent, upstream:
            agent.sendall(b"x")
            assert upstream.recv(1) == b"x"
            ends.line.send(OPENING.pack(CLOSE, 7, 0.0))
            assert ends.ended() == (7, 1, 0, "revoked")
            for side in (agent, upstream):
                with pytest.raises(ConnectionResetError):
                    side.recv(1)


def test_a_silent_flow_ends_and_says_why():
    with relaying() as ends:
        agent, upstream = ends.open(idle=0.0)
        with agent, upstream:
            assert ends.ended() == (1, 0, 0, "idle")


def test_many_flows_side_by_side():
    with relaying() as ends:
        pairs = [ends.open(number) for number in range(100)]
        for number, (agent, _) in enumerate(pairs):
            agent.sendall(b"%d" % number)
            agent.close()
        for number, (_, upstream) in enumerate(pairs):
            assert read_all(upstream) == b"%d" % number
            upstream.close()
        assert sorted(ends.ended()[0] for _ in pairs) == list(range(100))


def test_the_end_of_the_line_is_the_end_of_all_flows():
    with relaying() as ends:
        agent, upstream = ends.open()
        ends.line.send(OPENING.pack(CLOSE, 99, 0.0))  # of no flow: nothing
        agent.sendall(b"x")
        assert upstream.recv(1) == b"x"
    for side in (agent, upstream):
        with side, pytest.raises(ConnectionResetError):
            side.recv(1)
