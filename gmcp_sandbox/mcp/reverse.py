"""What a server asks of its client: sampling, questions to the user, roots. Each is judged, and its answer as well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from gmcp_sandbox.mcp.answers import At, Judge, ListFirst, Refuse, Replace
from gmcp_sandbox.mcp.ends import End, EndLost
from gmcp_sandbox.mcp.messages import EMPTY, Failure, Id, Request, Result, failure
from gmcp_sandbox.mcp.underway import FAILED, Underway, addressed, cancelled, known_code, refusal, said

MOST: Final = 32
"""Requests of one server at a time."""
_INVALID: Final = -32600


class Reverse:
    """The requests of one session's server.

    Args:
        about: Returns the client's request that something of the server's most likely belongs to.
        number: Gives out numbers of requests.
    """

    def __init__(
        self, at: At, client: End, judge: Judge, about: Callable[[], Id | None], number: Callable[[], int]
    ) -> None:
        self._at = at
        self._client = client
        self._judge = judge
        self._about = about
        self._number = number
        self._calls: dict[int, Underway] = {}

    @property
    def is_idle(self) -> bool:
        """True while nothing is asked."""
        return not self._calls

    def answered(self, message: Result | Failure) -> None:
        """The client has answered something; what was not asked goes nowhere."""
        call = self._calls.get(message.id) if type(message.id) is int else None
        if call is not None:
            call.finish(message)

    async def cancel(self, params: bytes) -> None:
        """The server wants no answer any more. Raises EndLost."""
        wanted = said(params).get("requestId")
        for number, call in self._calls.items():
            if call.asker == wanted and type(call.asker) is type(wanted):
                call.cancel()
                await self._client.send(cancelled(number))
                return

    async def serve(self, request: Request, seconds: float, answer: Callable[[Any], Awaitable[None]]) -> None:
        """Lead a request to its answer, which `answer` sends. Raises nothing when either side has gone."""
        if len(self._calls) >= MOST:
            await answer(failure(request.id, _INVALID, f"gmcp-sandbox: more than {MOST} requests at once"))
            return
        number = self._number()
        call = self._calls[number] = Underway(request.id, EMPTY, seconds)
        try:
            reply = await self._ask(request, number, call)
            if not call.is_cancelled:
                await answer(reply)
        except EndLost:
            pass  # one of the two has gone, and whoever listens to it notices
        finally:
            del self._calls[number]

    async def _ask(self, request: Request, number: int, call: Underway) -> Result | Failure:
        judged = await self._judge.reverse(self._at, request.method, request.params)
        if isinstance(judged, Refuse | ListFirst):
            return refusal(request.id, judged)
        params = judged.payload if isinstance(judged, Replace) else request.params
        call.go_on()
        with call.scope:
            await self._client.send(Request(number, request.method, params), self._about())
            await call.done.wait()
        if call.answer is None:
            return failure(request.id, FAILED, "gmcp-sandbox: the client did not answer")
        if isinstance(call.answer, Failure):
            code = known_code(call.answer.error)
            return failure(request.id, code, "the client refused")  # its words would be a text that nobody has judged
        judged = await self._judge.reverse_result(self._at, request.method, params, call.answer.result)
        if isinstance(judged, Refuse | ListFirst):
            return refusal(request.id, judged)
        return Result(request.id, judged.payload) if isinstance(judged, Replace) else addressed(call.answer, request.id)
