from __future__ import annotations

import socket

import trio

from gmcp_sandbox.net import listeners
from gmcp_sandbox.net.listeners import Listeners
from gmcp_sandbox.net.pump import listen


async def test_what_is_accepted_comes_with_its_flow():
    taken = []
    async with trio.open_nursery() as nursery:
        ours = Listeners(nursery, lambda key, sock: taken.append((key, sock)))
        listener = listen(0)
        port = listener.getsockname()[1]
        ours.add(listener, port)
        assert ours.has(port)
        with socket.create_connection(("127.0.0.1", port)) as near, trio.fail_after(5):
            while not taken:
                await trio.sleep(0.01)
            key, sock = taken[0]
            assert key == (near.getsockname()[1], "127.0.0.1", port)
            assert not sock.getblocking()
            sock.close()
        nursery.cancel_scope.cancel()
    assert listener.fileno() == -1


async def test_a_second_listener_of_a_port_is_closed_and_so_is_the_oldest_of_too_many():
    async with trio.open_nursery() as nursery:
        ours = Listeners(nursery, lambda _key, sock: sock.close())
        first, again = listen(0), listen(0)
        ours.add(first, 1)
        ours.add(again, 1)
        assert again.fileno() == -1
        for port in range(2, listeners.MOST + 2):
            ours.add(listen(0), port)
        await trio.testing.wait_all_tasks_blocked()
        assert not ours.has(1)
        assert first.fileno() == -1
        nursery.cancel_scope.cancel()
