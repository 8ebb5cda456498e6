"""The worker's end of the line to the supervisor: a judge far away, and the one who opens the ways to servers."""

from __future__ import annotations

import os
import socket
from functools import partial
from typing import Any, Final

import msgspec
import trio

from gmcp_sandbox.mcp.answers import Answer, At, Way
from gmcp_sandbox.mcp.conversation import CannotConnect
from gmcp_sandbox.mcp.frames import Frames, LineError, receive_packet
from gmcp_sandbox.mcp.line import (
    NOTHING,
    Ask,
    Begun,
    Cannot,
    FromSupervisor,
    Handed,
    Over,
    Release,
    Subject,
    Told,
    Verdict,
    Want,
)

_MOST_LEFT: Final = 512
"""Things to say that wait, because the supervisor does not read."""


class Opened(msgspec.Struct, frozen=True):
    """A way to a server: descriptors of pipes to and from a process, or of one socket.

    Attributes:
        number: By which it is released.
    """

    number: int
    fds: tuple[int, ...]


class _Waiting:
    """A question without an answer yet."""

    __slots__ = ("answer", "done")

    def __init__(self) -> None:
        self.answer: Any = None
        self.done = trio.Event()

    def finish(self, answer: Any) -> None:
        self.answer = answer
        self.done.set()


class Supervisor:
    """Asks, and is given. `serve` runs for as long as the line lasts; a `Judge`.

    Args:
        frames: The stream of frames; its first, the set-up, has been read.
        door: By which descriptors come.
        taken: Takes clients' connections in.
    """

    def __init__(self, frames: Frames[FromSupervisor], door: socket.socket, taken: Any) -> None:
        self._frames = frames
        self._door = door
        self._taken = taken
        self._last = 0
        self._waiting: dict[int, _Waiting] = {}
        self._left = 0
        self._more = trio.Event()

    async def serve(self) -> None:
        """Serve until the supervisor has ended, which ends the worker. Raises LineError."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hear)
            nursery.start_soon(self._tell)
            while True:
                await trio.lowlevel.wait_readable(self._door)
                data, fds = receive_packet(self._door)
                if not data:
                    raise LineError("the supervisor is gone")
                self._take(msgspec.json.decode(data, type=Handed), fds)

    def _take(self, handed: Handed, fds: tuple[int, ...]) -> None:
        if handed.kind in ("http", "lines"):
            self._taken(handed, fds)
            return
        waiting = self._waiting.get(handed.number)
        if waiting is None:  # whoever wanted it has given up
            for fd in fds:
                os.close(fd)
            self.say(Release(handed.number))
        else:
            waiting.finish(Opened(handed.number, fds))

    async def _hear(self) -> None:
        while (frame := await self._frames.receive()) is not None:
            if isinstance(frame, Verdict | Cannot):
                waiting = self._waiting.get(frame.number)
                if waiting is not None:
                    waiting.finish(frame.answer if isinstance(frame, Verdict) else frame)
        raise LineError("the supervisor is gone")

    async def _tell(self) -> None:
        while True:
            await self._more.wait()
            self._more, self._left = trio.Event(), 0
            await self._frames.flush()

    def say(self, message: msgspec.Struct) -> None:
        """Tell the supervisor something, in order. What is too much is lost, but for what it has to know."""
        if self._left >= _MOST_LEFT and isinstance(message, Told):
            return
        if not self._frames.put(message):
            self._left += 1
            if self._left > 2 * _MOST_LEFT:
                raise LineError("the supervisor does not listen")
            self._more.set()

    async def _wait(self, make: Any) -> Any:
        self._last = number = self._last + 1
        waiting = self._waiting[number] = _Waiting()
        try:
            await self._frames.send(make(number))
            await waiting.done.wait()
            return waiting.answer
        finally:
            del self._waiting[number]

    # ---------------------------------------------------------------------------------------------------------- judge

    async def _ask(  # noqa: PLR0913 - the fields of a question
        self, subject: Subject, at: At, method: str, params: bytes, payload: bytes | None = None, way: Way = Way.UP
    ) -> Answer:
        raw = NOTHING if payload is None else msgspec.Raw(payload)
        answer: Answer = await self._wait(
            lambda number: Ask(number, subject, at, method, msgspec.Raw(params), raw, way)
        )
        return answer

    async def request(self, at: At, method: str, params: bytes) -> Answer:
        return await self._ask("request", at, method, params)

    async def result(self, at: At, method: str, params: bytes, result: bytes) -> Answer:
        return await self._ask("result", at, method, params, result)

    async def failure(self, at: At, method: str, params: bytes, error: bytes) -> Answer:
        return await self._ask("failure", at, method, params, error)

    async def reverse(self, at: At, method: str, params: bytes) -> Answer:
        return await self._ask("reverse", at, method, params)

    async def reverse_result(self, at: At, method: str, params: bytes, result: bytes) -> Answer:
        return await self._ask("reverse_result", at, method, params, result)

    async def notice(self, at: At, way: Way, method: str, params: bytes) -> Answer:
        return await self._ask("notice", at, method, params, way=way)

    def began(self, at: At, by: Any) -> None:
        """A client session has begun."""
        self.say(Begun(at, by))

    def ended(self, at: At) -> None:
        self.say(Over(at))

    # ----------------------------------------------------------------------------------------------------------- ways

    async def want(self, at: At) -> Opened:
        """Return a way to a server. Raises CannotConnect."""
        answer = await self._wait(partial(Want, at=at))
        if isinstance(answer, Cannot):
            raise CannotConnect(answer.why)
        return answer  # type: ignore[no-any-return]
