from __future__ import annotations

import trio

from gmcp_sandbox.net.flow import Flow
from gmcp_sandbox.net.flows import FlowKey
from gmcp_sandbox.net.types import Target
from tests.net.test_relay import tcp_pair


def flow():
    return Flow(FlowKey(40000, "198.18.0.9", 443), Target("api.example.com", 443, "198.18.0.9", False))


async def test_who_waits_goes_on_when_the_flow_thaws(autojump_clock):
    one = flow()
    await one.until_thawed()
    one.freeze()
    one.freeze()
    assert one.is_frozen
    with trio.move_on_after(1) as patience:
        await one.until_thawed()
    assert patience.cancelled_caught
    one.thaw()
    one.thaw()
    await one.until_thawed()
    assert not one.is_frozen


def test_a_connection_is_frozen_with_its_flow_and_thawed_to_be_closed():
    near, far = tcp_pair()
    one = flow()
    one.take_up(far)
    one.freeze()
    near.sendall(b"x")
    one.thaw()
    one.close(with_reset=False)
    one.close(with_reset=True)  # once
    near.close()


def test_a_connection_that_cannot_be_frozen_is_revoked():
    near, far = tcp_pair()
    near.close()
    one = flow()
    one.take_up(far)
    far.close()
    one.freeze()
    assert one.is_revoked
    assert one.scope.cancel_called
