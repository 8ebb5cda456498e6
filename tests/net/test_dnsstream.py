from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from gmcp_sandbox.net.dnsstream import serve_questions
from gmcp_sandbox.net.flows import FlowKey
from gmcp_sandbox.net.types import Endpoint

KEY = FlowKey(40000, "203.0.113.53", 53)


class Service:
    async def answer(self, payload, source, destination):
        assert (source, destination) == (Endpoint("192.0.0.2", 40000), Endpoint("203.0.113.53", 53))
        return None if payload == b"refuse" else b"re: " + payload


def framed(*messages):
    return b"".join(len(each).to_bytes(2, "big") + each for each in messages)


async def ask(*parts, ends=True):
    """Return what comes back for bytes that arrive in these parts, and how it ended."""
    agent, ours = trio.testing.memory_stream_pair()
    ended = []

    async def serve():
        ended.append(await serve_questions(ours, Service(), KEY, "192.0.0.2"))
        await ours.aclose()

    async def read():
        received = b""
        while part := await agent.receive_some(1000):
            received += part
        answers.append(received)

    answers: list[bytes] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        nursery.start_soon(read)
        for part in parts:
            await agent.send_all(part)
            await trio.testing.wait_all_tasks_blocked()
        if ends:
            await agent.send_eof()
    return answers[0], ended[0]


async def test_questions_are_answered_in_their_order():
    assert await ask(framed(b"one", b"two")) == (framed(b"re: one", b"re: two"), "closed")


@given(cuts=st.lists(st.integers(1, 20), max_size=6))
def test_wherever_the_stream_is_cut(cuts):
    data = framed(b"one", b"", b"three")
    parts, at = [], 0
    for cut in cuts:
        parts.append(data[at : at + cut])
        at += cut
    parts.append(data[at:])
    answered = trio.run(ask, *(part for part in parts if part))
    assert answered == (framed(b"re: one", b"re: ", b"re: three"), "closed")


async def test_what_is_no_question_ends_the_stream():
    assert await ask(framed(b"refuse", b"one"), ends=False) == (b"", "refused")


@pytest.mark.parametrize("data", [b"\xff\xff" + bytes(10), b"\0"])
async def test_what_is_too_long_or_cut_short_ends_the_stream(data):
    assert await ask(data) == (b"", "closed")


async def test_silence_ends_the_stream(autojump_clock):
    agent, ours = trio.testing.memory_stream_pair()
    assert await serve_questions(ours, Service(), KEY, "192.0.0.2") == "idle"
    await agent.aclose()
    await ours.aclose()
