"""The supervisor's answers to the gate."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from gmcp_sandbox.errors import HostError
from gmcp_sandbox.monitor.starts import Starts
from gmcp_sandbox.proc.announcing import Announcements
from gmcp_sandbox.proc.startline import (
    ANNOUNCED,
    BEGIN,
    BROKEN,
    FULL,
    KILL,
    RAN,
    REFUSED,
    UNTRACED,
    Line,
    Message,
)


class Gate:
    """The gate's ends, and what was recorded."""

    def __init__(self):
        self.announcing, announcing = Line.pair()
        self.talking, talking = Line.pair()
        self.theirs = announcing, talking
        self.events = []
        self.starts = Starts()
        self.side = Announcements(announcing, talking, self.starts, self._record)

    def _record(self, name, **fields):
        self.events.append((name, fields))

    async def answer(self, *messages):
        """Say something; return the answer to the last."""
        for message in messages:
            self.talking.send(message)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.side.run)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        return self.talking.receive()

    def close(self):
        self.announcing.close()
        self.talking.close()

    def close_all(self):
        self.close()
        for end in self.theirs:
            end.close()


@pytest.fixture
def gate():
    made = Gate()
    yield made
    made.close_all()


def announce(gate, *argv, tid=7):
    gate.announcing.send(Message(ANNOUNCED, tid, (argv[0], b"/w", *argv)))


def test_an_announcement_is_there_when_it_is_looked_for(gate):
    announce(gate, b"./a", b"\xff")
    start = gate.starts.of(7)
    assert (start.name, start.cwd, start.argv) == ("./a", "/w", ("./a", "\udcff"))


async def test_an_interpreters_words_may_begin(gate):
    announce(gate, b"./a", b"b")
    gate.starts.of(7).opened("/w/a", b"#!/bin/sh\n")
    assert await gate.answer(Message(RAN, 7, (b"/bin/sh", b"./a", b"b"))) == Message(BEGIN, 7)
    assert gate.events == []


async def test_other_words_are_recorded_and_killed(gate):
    announce(gate, b"./a", b"--password", b"hunter2")
    gate.starts.of(7).opened("/w/a", b"\x7fELF")
    assert await gate.answer(Message(RAN, 7, (b"./a", b"evil"))) == Message(KILL, 7)
    ((name, fields),) = gate.events
    assert name == "exec_mismatch"
    assert fields["program"] == "/w/a"
    assert fields["ran"] == ["./a", "evil"]
    assert "hunter2" not in str(fields)


async def test_a_program_that_nobody_announced_is_killed(gate):
    assert await gate.answer(Message(RAN, 9, (b"x",))) == Message(KILL, 9)


async def test_refusals_and_traced_starts_are_recorded(gate):
    words = tuple(b"%d" % number for number in (59, 1, 2, 3, 4, 5, 6, 14))
    await gate.answer(Message(REFUSED, 7, words), Message(UNTRACED, 8))
    assert [name for name, _ in gate.events] == ["system_call_refused", "exec_of_a_traced_process"]
    assert gate.events[0][1]["errno"] == 14


async def test_a_full_line_is_read(gate):
    announce(gate, b"a")
    await gate.answer(Message(FULL, 0))
    assert len(gate.starts) == 1


@pytest.mark.parametrize("ending", [None, Message(BROKEN, 0, (b"why",))])
async def test_the_gates_end_is_an_error(gate, ending):
    if ending is not None:
        gate.talking.send(ending)
    gate.close()
    with pytest.raises(HostError, match="the exec gate ended"):
        await gate.side.run()
