"""Ends and judges for tests: a client and a server that say what a test wants, and a judge that allows all else."""

from __future__ import annotations

import msgspec
import trio

from gmcp_sandbox.mcp.answers import Pass
from gmcp_sandbox.mcp.messages import Request, Result


class UnsafeJudge:
    """Allows everything that `answers` does not name: (subject, method) → an answer, or a function of the params."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []
        self.over = []

    async def _judge(self, subject, method, *texts):
        self.asked.append((subject, method))
        answer = self.answers.get(f"{subject}_{method.rpartition('/')[2]}", Pass())
        return answer(*texts) if callable(answer) else answer

    async def request(self, at, method, params):
        return await self._judge("request", method, params)

    async def result(self, at, method, params, result):
        return await self._judge("result", method, params, result)

    async def failure(self, at, method, params, error):
        return await self._judge("failure", method, params, error)

    async def reverse(self, at, method, params):
        return await self._judge("reverse", method, params)

    async def reverse_result(self, at, method, params, result):
        return await self._judge("reverse_result", method, params, result)

    async def notice(self, at, way, method, params):
        return await self._judge("notice", method, params)

    def deadline(self, server, tool):
        return 30.0

    def ended(self, at):
        self.over.append(at)


class Side:
    """One side of a conversation, as a test speaks for it; an `End`."""

    def __init__(self):
        self._given, self._taken = trio.open_memory_channel(100)
        self._sent, self.heard = trio.open_memory_channel(100)
        self.silent = []
        self.is_closed = False

    async def receive(self):
        try:
            return await self._taken.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            return None

    async def send(self, message, about=None):
        await self._sent.send((message, about))

    async def unanswered(self, identity):
        self.silent.append(identity)

    async def aclose(self):
        self.is_closed = True
        self._given.close()

    async def say(self, message):
        await self._given.send(message)

    def leave(self):
        self._given.close()

    async def next(self):
        """Return the next message that came to this side."""
        return (await self.heard.receive())[0]


def request(number, method, **params):
    return Request(number, method, msgspec.json.encode(params))


def result(number, **fields):
    return Result(number, msgspec.json.encode(fields))


def fields(message):
    """Return what an answer or a request says."""
    for name in ("result", "error", "params"):
        if hasattr(message, name):
            return msgspec.json.decode(getattr(message, name))
    raise AssertionError(message)
