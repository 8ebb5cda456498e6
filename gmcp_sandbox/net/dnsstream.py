"""DNS over TCP: questions with their length before them, answered by the same service as those in datagrams."""

from __future__ import annotations

import contextlib
from typing import Final

import trio

from gmcp_sandbox.net.flows import FlowKey
from gmcp_sandbox.net.types import DatagramService, Endpoint

IDLE_SECONDS: Final = 10.0
_LONGEST_QUESTION: Final = 4096


async def serve_questions(stream: trio.abc.Stream, service: DatagramService, key: FlowKey, agent: str) -> str:
    """Answer until the agent has no more questions; return how it ended, in one word.

    Args:
        agent: The agent's address, of the family that it asks by.
    """
    source, destination = Endpoint(agent, key.source_port), Endpoint(key.address, key.port)
    buffer = bytearray()
    with contextlib.suppress(trio.BrokenResourceError):
        while True:
            with trio.move_on_after(IDLE_SECONDS) as patience:
                question = await _question(stream, buffer)
            if patience.cancelled_caught:
                return "idle"
            if question is None:
                return "closed"
            answer = await service.answer(question, source, destination)
            if answer is None:
                return "refused"
            await stream.send_all(len(answer).to_bytes(2, "big") + answer)
    return "reset"


async def _question(stream: trio.abc.Stream, buffer: bytearray) -> bytes | None:
    """Return the next question, or None at the end or when it is longer than any question."""
    while len(buffer) < 2 or len(buffer) < 2 + int.from_bytes(buffer[:2], "big"):
        if len(buffer) >= 2 and int.from_bytes(buffer[:2], "big") > _LONGEST_QUESTION:
            return None
        part = await stream.receive_some(_LONGEST_QUESTION)
        if not part:
            return None
        buffer += part
    length = int.from_bytes(buffer[:2], "big")
    question = bytes(buffer[2 : 2 + length])
    del buffer[: 2 + length]
    return question
