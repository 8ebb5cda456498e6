"""One client session and its server: every message that means something is judged before it is passed on.

Invariants:
- A request of either side gets exactly one answer, unless it was cancelled: the other side's, or an error that says why
  there is none. Nothing waits for ever: every call has a deadline.
- Numbers of requests are given out here. An answer that no request waits for goes nowhere, whoever sends it.
- At most `MOST_CALLS` calls of the client are under way, and `reverse.MOST` of the server.
- When the server ends, its calls end with it; the next one starts it again, and says to it what the client once said.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import msgspec
import trio

from gmcp_sandbox.mcp.allowance import Allowance
from gmcp_sandbox.mcp.answers import At, Judge, ListFirst, Pass, Refuse, Replace, Way
from gmcp_sandbox.mcp.ends import Broken, End, EndLost
from gmcp_sandbox.mcp.messages import EMPTY, Failure, Id, Message, Notification, Request, Result, failure
from gmcp_sandbox.mcp.reverse import Reverse
from gmcp_sandbox.mcp.underway import (
    CANCELLED,
    FAILED,
    PROGRESS,
    Underway,
    addressed,
    cancelled,
    is_id,
    numbered,
    progress,
    refusal,
    said,
)

MOST_CALLS: Final = 256
_MOST_BROKEN: Final = 1000
_MOST_PAGES: Final = 64
_INVALID: Final = -32600
_PING: Final = "ping"
"""Neither judged nor written down: it passes without a word, either way."""
_TOOLS_CHANGED: Final = "notifications/tools/list_changed"
_INITIALIZED: Final = "notifications/initialized"


class CannotConnect(Exception):
    """There is no way to the server; the text says why."""


class Limits(Protocol):
    """What a conversation is held to."""

    @property
    def start_seconds(self) -> float:
        """Until the server has answered `initialize`."""

    @property
    def call_seconds(self) -> float:
        """Until the server has answered a call, or told of progress."""


class Conversation:
    """Use `run` once.

    Args:
        connect: Opens a new way to the server. Raises CannotConnect.
        told: Takes down what happened: an event's name, and what.
    """

    def __init__(  # noqa: PLR0913 - the parts of a conversation, each said by name
        self,
        at: At,
        client: End,
        connect: Callable[[], Awaitable[End]],
        judge: Judge,
        limits: Limits,
        told: Callable[[str, str], None],
    ) -> None:
        self._at = at
        self._client = client
        self._connect = connect
        self._judge = judge
        self._limits = limits
        self._told = told
        self._server: End | None = None
        self._starting = trio.Lock()
        self._hello: bytes | None = None
        """Params of the client's `initialize`, as they were passed."""
        self._is_initialized = False
        self._last = 0
        self._calls: dict[int, Underway] = {}
        self._numbers: dict[Id, int] = {}
        self._reverse = Reverse(at, client, judge, self._about, self._next)
        self._broken = 0
        self._allowance = Allowance()
        self._nursery: trio.Nursery | None = None

    @property
    def is_idle(self) -> bool:
        """True while nothing is under way."""
        return not self._numbers and self._reverse.is_idle

    async def run(self) -> None:
        """Converse until the client has ended."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                with contextlib.suppress(EndLost):
                    while (message := await self._client.receive()) is not None:
                        await self._from_client(message)
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                if self._server is not None:
                    await self._server.aclose()
                await self._client.aclose()
            self._judge.ended(self._at)

    # ------------------------------------------------------------------------------------------------- from the client

    async def _from_client(self, message: Message | Broken) -> None:
        assert self._nursery is not None
        if isinstance(message, Broken):
            await self._client.send(failure(None, -32700, f"gmcp-sandbox: {message.why}"))
        elif isinstance(message, Request):
            if message.id in self._numbers or len(self._numbers) >= MOST_CALLS:
                why = "this id is in use" if message.id in self._numbers else f"more than {MOST_CALLS} calls at once"
                await self._client.send(failure(message.id, _INVALID, f"gmcp-sandbox: {why}"))
                return
            number = self._next()
            self._numbers[message.id] = number
            self._nursery.start_soon(self._serve, message, number)
        elif isinstance(message, Notification):
            await self._pass_up(message)
        else:
            self._reverse.answered(message)

    async def _pass_up(self, note: Notification) -> None:
        if note.method == CANCELLED:
            await self._cancel(note)
        elif self._server is None or note.method == PROGRESS:
            return  # it would be news to nobody: a server is given no token of the client's
        elif note.method == _INITIALIZED:
            self._is_initialized = True
            await self._say_up(Notification(_INITIALIZED))
        elif (judged := await self._judged_note(Way.UP, note)) is not None:
            await self._say_up(judged)

    async def _say_up(self, message: Message) -> None:
        if self._server is not None:
            try:
                await self._server.send(message)
            except EndLost:
                pass  # `_hear` finds out, too, and ends what waits

    async def _cancel(self, note: Notification) -> None:
        wanted = said(note.params).get("requestId")
        number = self._numbers.get(wanted) if is_id(wanted) else None
        call = None if number is None else self._calls.get(number)
        if call is not None and number is not None:
            call.cancel()
            await self._say_up(cancelled(number))

    async def _serve(self, request: Request, number: int) -> None:
        """Lead a request of the client's to its answer."""
        call = Underway(request.id, request.params, self._limits.call_seconds)
        self._calls[number] = call
        try:
            answer = await self._answer(request, number, call)
            if call.is_cancelled:
                await self._client.unanswered(request.id)
            else:
                await self._client.send(answer)
        except EndLost:
            pass  # the client's end; `run` notices
        finally:
            self._calls.pop(number, None)
            self._numbers.pop(request.id, None)

    async def _answer(self, request: Request, number: int, call: Underway) -> Result | Failure:
        if request.method == _PING:
            reply = await self._ask_server(_PING, EMPTY, number, call)
            return Result(request.id, EMPTY) if isinstance(reply, Result) else failure(request.id, FAILED, "no answer")
        judged = await self._allowed(request)
        if isinstance(judged, Refuse):
            return failure(request.id, judged.code, judged.message, judged.data)
        params = judged.payload if isinstance(judged, Replace) else request.params
        call.seconds = judged.seconds or self._limits.call_seconds
        if call.done.is_set():  # nobody wants it any more
            return failure(request.id, FAILED, "cancelled")
        reply = await self._ask_server(request.method, numbered(params, number), number, call)
        if call.is_cancelled:
            return addressed(reply, request.id)
        if request.method == "initialize" and isinstance(reply, Result):
            self._hello = params
        return await self._judged_reply(request, params, reply)

    async def _allowed(self, request: Request) -> Pass | Replace | Refuse:
        """Have a request judged, after the server has listed its tools if need be."""
        judged = await self._judge.request(self._at, request.method, request.params)
        if isinstance(judged, ListFirst):
            await self._list_tools()
            judged = await self._judge.request(self._at, request.method, request.params)
        if isinstance(judged, ListFirst):
            return Refuse(FAILED, "gmcp-sandbox: the server did not list its tools")
        return judged

    async def _judged_reply(self, request: Request, params: bytes, reply: Result | Failure) -> Result | Failure:
        if isinstance(reply, Result):
            judged = await self._judge.result(self._at, request.method, params, reply.result)
        else:
            judged = await self._judge.failure(self._at, request.method, params, reply.error)
        if isinstance(judged, Refuse | ListFirst):
            return refusal(request.id, judged)
        if isinstance(judged, Replace):
            reply = Result(0, judged.payload) if isinstance(reply, Result) else Failure(0, judged.payload)
        return addressed(reply, request.id)

    async def _list_tools(self) -> None:
        """Have the server list its tools, for the judge alone."""
        params = EMPTY
        for _ in range(_MOST_PAGES):
            number = self._next()
            call = self._calls[number] = Underway(None, params, self._limits.call_seconds)
            try:
                reply = await self._ask_server("tools/list", params, number, call)
            finally:
                self._calls.pop(number, None)
            if isinstance(reply, Failure):
                return
            await self._judge.result(self._at, "tools/list", params, reply.result)
            cursor = said(reply.result).get("nextCursor")
            if type(cursor) is not str or not cursor:
                return
            params = msgspec.json.encode({"cursor": cursor})

    # ------------------------------------------------------------------------------------------------- to the server

    async def _ask_server(self, method: str, params: bytes, number: int, call: Underway) -> Result | Failure:
        """Return the server's answer, or an error of ours in its place."""
        try:
            server = await self._connected(is_first=method == "initialize")
            return await self._exchange(server, Request(number, method, params), call)
        except CannotConnect as error:
            return failure(None, FAILED, f"gmcp-sandbox: {self._at.server}: {error}")

    async def _exchange(self, server: End, request: Request, call: Underway) -> Result | Failure:
        seconds = self._limits.start_seconds if request.method == "initialize" else call.seconds
        call.scope.deadline = trio.current_time() + seconds
        with call.scope:
            try:
                await server.send(request)
                await call.done.wait()
            except EndLost:
                return failure(None, FAILED, f"gmcp-sandbox: {self._at.server} has ended")
        if call.answer is not None:
            return call.answer
        if not call.is_cancelled:
            self._told("mcp_timeout", f"{request.method}: no answer for {seconds:g} seconds")
            await self._give_up(cancelled(request.id))
        return failure(None, FAILED, f"gmcp-sandbox: {self._at.server} did not answer for {seconds:g} seconds")

    async def _give_up(self, note: Notification) -> None:
        """Tell the server, unless it does not even read."""
        with trio.move_on_after(1.0):
            await self._say_up(note)

    async def _connected(self, *, is_first: bool) -> End:
        """Return the way to the server; open one when there is none. Raises CannotConnect."""
        async with self._starting:
            if self._server is not None:
                return self._server
            assert self._nursery is not None
            server = self._server = await self._connect()
            self._nursery.start_soon(self._hear, server)
            if not is_first and self._hello is not None:
                await self._introduce(server, self._hello)
            return server

    async def _introduce(self, server: End, hello: bytes) -> None:
        """Say to a new server what the client said to the first one."""
        number = self._next()
        call = self._calls[number] = Underway(None, hello, self._limits.call_seconds)
        try:
            reply = await self._exchange(server, Request(number, "initialize", hello), call)
        finally:
            self._calls.pop(number, None)
        if isinstance(reply, Failure):
            raise CannotConnect("it was started again and did not answer")
        if self._is_initialized:
            await self._say_up(Notification(_INITIALIZED))

    # ----------------------------------------------------------------------------------------------- from the server

    async def _hear(self, server: End) -> None:
        """Take what the server says, until it ends."""
        with contextlib.suppress(EndLost):  # of the client's; `run` notices
            while (message := await server.receive()) is not None and self._broken < _MOST_BROKEN:
                await self._from_server(server, message)
        self._server = None
        for call in self._calls.values():
            call.finish(call.answer or failure(None, FAILED, f"gmcp-sandbox: {self._at.server} has ended"))
        await server.aclose()

    async def _from_server(self, server: End, message: Message | Broken) -> None:
        if isinstance(message, Broken):
            self._mourn(message)
        elif isinstance(message, Request):
            self._asked(server, message)
        elif isinstance(message, Notification):
            await self._pass_down(message)
        elif type(message.id) is int and (call := self._calls.get(message.id)) is not None:
            call.finish(message)

    def _mourn(self, broken: Broken) -> None:
        """End the call that something broken was the answer to, as far as one can tell."""
        self._broken += 1
        if self._broken == 1 or self._broken == _MOST_BROKEN:
            self._told("mcp_broken", broken.why)
        call = self._calls.get(broken.id) if broken.id is not None else None
        if call is None and broken.is_message and len(self._calls) == 1:
            call = next(iter(self._calls.values()))
        if call is not None and call.answer is None:
            call.finish(failure(None, FAILED, f"gmcp-sandbox: {self._at.server} answered with {broken.why}"))

    async def _pass_down(self, note: Notification) -> None:
        about = self._about()
        if note.method == CANCELLED:
            return await self._reverse.cancel(note.params)
        if note.method != _TOOLS_CHANGED and not self._allowance.take():
            if self._allowance.dropped == 1:
                self._told("mcp_broken", "it floods with notifications: some are dropped")
            return None
        if note.method == PROGRESS:
            told = said(note.params)
            call = self._holder(told.get("progressToken"))
            if call is None:
                return None
            call.go_on()
            about, note = call.asker, progress({**told, "progressToken": call.token})
            if "message" not in told:
                return await self._client.send(note, about)
        judged = await self._judged_note(Way.DOWN, note)
        if judged is not None:
            await self._client.send(judged, about)
        return None

    async def _judged_note(self, way: Way, note: Notification) -> Notification | None:
        judged = await self._judge.notice(self._at, way, note.method, note.params)
        if isinstance(judged, Replace):
            return Notification(note.method, judged.payload)
        return None if isinstance(judged, Refuse | ListFirst) else note

    def _next(self) -> int:
        self._last += 1
        return self._last

    def _asked(self, server: End, request: Request) -> None:
        assert self._nursery is not None
        if request.method == _PING:
            self._nursery.start_soon(self._say_up, Result(request.id, EMPTY))
        else:
            self._nursery.start_soon(self._reverse.serve, request, self._limits.call_seconds, server.send)

    def _about(self) -> Id | None:
        """Return the client's request that something of the server's most likely belongs to: its latest."""
        return next((call.asker for call in reversed(self._calls.values()) if call.asker is not None), None)

    def _holder(self, token: Any) -> Underway | None:
        call = self._calls.get(token) if type(token) is int else None
        return call if call is not None and call.token is not None and not call.done.is_set() else None
