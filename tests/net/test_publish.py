"""Published ports on real sockets; the door is the real one, in this process's own namespace."""

from __future__ import annotations

import socket
import threading
from contextlib import asynccontextmanager

import pytest
import trio

from gmcp_sandbox.errors import AuditError, HostError
from gmcp_sandbox.net.door import serve
from gmcp_sandbox.net.publications import Publication
from gmcp_sandbox.net.publish import Publisher


class Paper:
    def __init__(self):
        self.events = []
        self.fault = None

    def __call__(self, name, **fields):
        if self.fault is not None:
            raise self.fault
        self.events.append((name, fields))


@asynccontextmanager
async def publishing(port, paper):
    """Publish a port; yield the port of the host."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    door = threading.Thread(target=serve, args=(theirs,))
    door.start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        host_port = free.getsockname()[1]
    publisher = Publisher([Publication(host_port, port)], ours, paper)
    publisher.open()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(publisher.run)
            yield host_port
            nursery.cancel_scope.cancel()
    finally:
        publisher.close()
        door.join()
        theirs.close()


async def echo(stream):
    async with stream:
        while part := await stream.receive_some(65536):
            await stream.send_all(part)


@asynccontextmanager
async def server(handle=echo):
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, handle, [listener])
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def test_bytes_pass_and_the_connection_is_recorded():
    paper = Paper()
    sent = bytes(range(256)) * 4096
    async with server() as port, publishing(port, paper) as host_port:
        stream = await trio.open_tcp_stream("127.0.0.1", host_port)
        got = bytearray()
        async with trio.open_nursery() as nursery:

            async def send():
                await stream.send_all(sent)
                await stream.send_eof()

            nursery.start_soon(send)
            while part := await stream.receive_some(65536):
                got += part
        assert got == sent
        name, fields = paper.events[0]
        assert (name, fields["port"], fields["host_port"]) == ("published", port, host_port)
        assert fields["peer"] == stream.socket.getsockname()[1]
        await stream.aclose()
        await trio.testing.wait_all_tasks_blocked(0.01)
    ending = paper.events[-1][1]
    assert (ending["protocol"], ending["up"], ending["down"], ending["how"]) == (
        "published",
        len(sent),
        len(sent),
        "closed",
    )


async def test_a_port_that_nobody_serves_closes_the_connection():
    paper = Paper()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with publishing(port, paper) as host_port:
        stream = await trio.open_tcp_stream("127.0.0.1", host_port)
        assert await stream.receive_some(10) == b""
        await stream.aclose()
    assert [name for name, _ in paper.events] == ["published", "flow"]
    assert paper.events[1][1]["how"] == "refused"


async def test_many_connections_at_once():
    paper = Paper()
    async with server() as port, publishing(port, paper) as host_port:

        async def visit(word):
            async with await trio.open_tcp_stream("127.0.0.1", host_port) as stream:
                await stream.send_all(word)
                assert await stream.receive_some(100) == word

        async with trio.open_nursery() as nursery:
            for number in range(60):
                nursery.start_soon(visit, b"%d" % number)
    assert sum(name == "published" for name, _ in paper.events) == 60


async def test_no_record_no_byte():
    paper = Paper()
    paper.fault = AuditError("full")
    with pytest.raises(BaseExceptionGroup) as caught:
        async with server() as port, publishing(port, paper) as host_port:
            async with await trio.open_tcp_stream("127.0.0.1", host_port) as stream:
                await stream.send_all(b"x")
                assert await stream.receive_some(10) == b""
            await trio.sleep_forever()
    assert caught.value.subgroup(AuditError) is not None


def test_a_port_that_is_taken_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ours, theirs = socket.socketpair()
        with theirs, pytest.raises(HostError, match=f"cannot publish at 127.0.0.1:{port}"):
            Publisher([Publication(port, 80)], ours, Paper()).open()
