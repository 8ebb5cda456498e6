"""Names of our own that end in this process."""

import socket
from typing import Any

import trio

from gmcp_sandbox.net.inward import Inward
from gmcp_sandbox.net.types import Dialled, HandOff, Target

OURS = Target("mcp.gmcp.internal", 80, "198.18.0.1", False)
THEIRS = Target("other.example", 80, "198.18.0.2", False)


class Outward:
    """Dialer and application layer of everything else."""

    def __init__(self):
        self.dialled, self.spoken = [], []

    async def dial(self, target):
        self.dialled.append(target)
        return Dialled(NOBODY, "203.0.113.5")

    async def __call__(self, target, agent, upstream, moved):
        self.spoken.append(target)
        return HandOff()


NOBODY: Any = None
"""A stream that is not looked at."""


async def test_our_name_leads_to_its_door_and_nowhere_else():
    outward, ends = Outward(), []

    def door():
        ours, theirs = socket.socketpair()
        ends.append(theirs)
        return ours

    inward = Inward({OURS.host: door}, outward, outward)
    dialled = await inward.dial(OURS)
    async with dialled.stream:
        await dialled.stream.send_all(b"hello")
        with ends[0] as end:
            assert end.recv(10) == b"hello"
    assert isinstance(await inward(OURS, NOBODY, NOBODY, NOBODY), HandOff)
    assert outward.dialled == outward.spoken == []


async def test_all_other_names_go_their_way():
    outward = Outward()
    inward = Inward({OURS.host: socket.socket}, outward, outward)
    assert (await inward.dial(THEIRS)).address == "203.0.113.5"
    await inward(THEIRS, NOBODY, NOBODY, NOBODY)
    assert outward.dialled == outward.spoken == [THEIRS]
    await trio.lowlevel.checkpoint()
