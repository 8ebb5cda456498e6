"""Orders arrive as they were given, whatever bytes names hold; and an end without orders is one."""

from __future__ import annotations

import os
import threading

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmcp_sandbox.calls.labels import SYSTEM
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.cli.orders import Orders, give, take
from gmcp_sandbox.cli.prepared import Preparation
from gmcp_sandbox.policy.profile import (
    Environment,
    Limits,
    Mount,
    MountMode,
    PathRule,
    ProbePolicy,
    Profile,
    RateLimit,
    Tier,
)
from gmcp_sandbox.policy.view import View
from gmcp_sandbox.proc.channel import Channel
from gmcp_sandbox.proc.identity import Identity
from gmcp_sandbox.proc.program import Program
from gmcp_sandbox.proc.stdio import Stdio
from tests.cli.launches import Place

NOTHING = (None, None, None)
NO_PIPES = Stdio(NOTHING, NOTHING)


def exchange(orders: Orders, stdio: Stdio = NO_PIPES) -> tuple[Orders, Stdio]:
    """Give and take, as two processes would; return what arrived."""
    ours, theirs = Channel.pair()
    front, agent = Channel.pair()
    giver = threading.Thread(target=give, args=(ours, orders, stdio, agent))
    giver.start()
    taken = take(theirs)
    giver.join(20)
    assert taken is not None
    arrived, their_stdio, line = taken
    line.send("signal", signal=2)
    agent.close()
    assert front.expect("signal")[0]["signal"] == 2
    for channel in (ours, theirs, front, line):
        channel.close()
    return arrived, their_stdio


WORDS = st.binary(max_size=40).filter(lambda word: b"\0" not in word)
PATHS = WORDS.map(lambda word: "/" + os.fsdecode(word)) | st.text(max_size=30).map(lambda text: "/" + text)
MOUNTS = st.builds(
    Mount,
    PATHS,
    st.none() | PATHS,
    st.sampled_from(MountMode),
    st.just(SYSTEM),
    executable=st.booleans(),
    persist=st.booleans(),
)


@st.composite
def preparations(draw: st.DrawFn) -> Preparation:
    profile = Profile(
        "test",
        "ab" * 32,
        draw(st.sampled_from(Tier)),
        tuple(draw(st.lists(MOUNTS, max_size=2))),
        ((draw(PATHS), draw(PATHS)),),
        (PathRule(draw(PATHS), SYSTEM, (draw(PATHS),)),),
        (),
        (RateLimit((Tool.FS_READ,), draw(st.floats(0, 1e6)), 3),),
        (),
        Environment(("LC_*",), {"A": draw(PATHS)}),
        Limits(memory_bytes=draw(st.none() | st.integers(0, 2**63 - 1))),
        ProbePolicy(),
    )
    view = View(tuple(draw(st.lists(MOUNTS, max_size=3))), ((draw(PATHS), draw(PATHS)),), (draw(PATHS),))
    program = Program(
        tuple(draw(st.lists(WORDS, min_size=1, max_size=4))),
        draw(st.dictionaries(WORDS, WORDS, max_size=3)),
        draw(WORDS),
    )
    identity = Identity(*draw(st.tuples(*[st.integers(0, 2**32 - 2)] * 5)))
    return Preparation(draw(PATHS), draw(PATHS), draw(PATHS), profile, view, identity, program)


@settings(max_examples=60, deadline=None)
@given(preparations(), PATHS)
def test_orders_arrive_as_they_were_given(prepared: Preparation, directory: str) -> None:
    orders = Orders(prepared, "0123abcd", directory)
    assert exchange(orders)[0] == orders


def test_a_real_preparation_arrives(place: Place) -> None:
    prepared = place.prepare("--", "sh", "-c", "printf '\udcff'")
    orders = Orders(prepared, "0123abcd", "/state/\udcff")
    arrived, _ = exchange(orders)
    assert arrived == orders
    assert arrived.session_dir.log.name == "audit.jsonl"


def test_large_orders_arrive(place: Place) -> None:
    prepared = place.prepare("true")
    program = Program(tuple(b"x" * 1000 for _ in range(1000)), {b"A": b"\xff" * 100_000}, b"/")
    orders = Orders(msgspec.structs.replace(prepared, program=program), "0123abcd", "/d")
    assert exchange(orders)[0] == orders


@pytest.mark.parametrize(
    "piped", [(True, True, True), (False, True, True), (True, False, False), (False, False, False), (True, False, True)]
)
def test_pipes_arrive_at_their_places(place: Place, piped: tuple[bool, bool, bool]) -> None:
    pipes = [os.pipe() if is_pipe else None for is_pipe in piped]
    ends = [None if pipe is None else pipe[1] for pipe in pipes]
    stdio = Stdio((ends[0], ends[1], ends[2]), NOTHING)
    _, arrived = exchange(Orders(place.prepare("true"), "0123abcd", "/d"), stdio)
    assert [fd is not None for fd in arrived.agent_side] == list(piped)
    assert arrived.has_terminal == (False in piped)
    stdio.close_agent_side()
    for number, (fd, pipe) in enumerate(zip(arrived.agent_side, pipes, strict=True)):
        if fd is not None and pipe is not None:
            assert not os.get_inheritable(fd)
            os.write(fd, b"%d" % number)
            os.close(fd)
            assert os.read(pipe[0], 10) == b"%d" % number
            os.close(pipe[0])


def test_no_orders_are_none() -> None:
    ours, theirs = Channel.pair()
    ours.close()
    assert take(theirs) is None
    theirs.close()


def test_a_supervisor_that_is_gone_is_said(place: Place) -> None:
    ours, theirs = Channel.pair()
    theirs.close()
    front, agent = Channel.pair()
    with pytest.raises(BrokenPipeError):
        give(ours, Orders(place.prepare("true"), "0123abcd", "/d"), NO_PIPES, agent)
    for channel in (ours, front, agent):
        channel.close()
