"""A flow that carries HTTP/1, in plain text or intercepted: every request of it is a tool call.

Requests are answered one after the other, pipelined ones too; the next one is read when the last answer has been
passed on. What is refused gets an answer of our own at once, and ends the flow: 403 for what the profile does not
allow, 400 for what cannot be passed on, 502 for a server that cannot be reached or understood.

A server that does not read a body would take it for the next request, which nobody has judged. So a request with a body
is the last on its connection, but for the methods whose bodies servers do read, where no rule is about requests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec
import trio

from gmcp_sandbox.net.credentials import Injected, Misplaced, Vault
from gmcp_sandbox.net.exchange import Exchange, MisplacedInBody, Passed, Raw, Refused
from gmcp_sandbox.net.framing import BodyError
from gmcp_sandbox.net.head import Field, HeadError, request_end
from gmcp_sandbox.net.lane import Answered, Begun, Ending, Judged, Lane, Other, Simple
from gmcp_sandbox.net.pages import Pages
from gmcp_sandbox.net.questions import Questions, Scheme
from gmcp_sandbox.net.requests import Reader, Request, Writer, authority_bytes
from gmcp_sandbox.net.responses import own_response
from gmcp_sandbox.net.side import Side, SideIdle, SideLost

HEAD_SECONDS = 60.0
"""For a head to be complete, from its first byte."""
QUIET_SECONDS = 0.05
"""For which the next request is awaited before the server is watched as well; most come at once."""
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
PLACEHOLDER = "placeholder"
"""The fault of a request that carries a placeholder where its token does not belong."""


class HttpFlow:
    """One flow.

    `connect` gives the server's side, when the first request is allowed; what keeps it from that is a `Refused`.
    """

    def __init__(  # noqa: PLR0913 - what a flow is made of, each said by name
        self,
        questions: Questions,
        agent: Side,
        connect: Callable[[], Awaitable[Side]],
        *,
        scheme: Scheme = "http",
        vault: Vault,
        lane: Lane | None = None,
        pages: Pages | None = None,
    ) -> None:
        self.agent = agent
        self.upstream: Side | None = None
        self._questions = questions
        self._connect = connect
        self._scheme: Scheme = scheme
        self._vault = vault
        target = questions.target
        self._host = target.host
        self._host_field = authority_bytes(target.host, target.port, scheme)
        self._reader = Reader(scheme, is_readable=pages is not None)
        self._writer = Writer()
        self._lane = lane if vault.is_empty and agent.fd >= 0 else None
        self._simple: Simple | None = None
        self._pages = pages

    async def run(self) -> str | Raw:
        """Serve requests until the flow ends; return how it ended, or that it goes on as raw bytes."""
        try:
            while (kept := await self._serve_next()) is True:
                pass
            return kept or "closed"
        except Refused as refusal:
            await self.agent.say_last(own_response(refusal.status, refusal.phrase, f"gmcp-sandbox: {refusal.text}"))
            return "refused"
        except SideLost:
            return "reset"
        except SideIdle:
            return "idle"

    async def _serve_next(self) -> bool | Raw:
        """Serve what comes next; return whether the flow goes on."""
        upstream = self.upstream
        if self._lane is not None and upstream is not None and not self.agent.buffered and not upstream.buffered:
            ending = await self._lane.lead(self._simple_over(upstream))
            if not isinstance(ending, Other):
                return await self._go_on(ending, upstream)
        head = await self._next_head()
        return False if head is None else await self._serve(head)

    def _simple_over(self, upstream: Side) -> Simple:
        if self._simple is None:
            self._simple = Simple(
                self._questions, (self.agent, upstream), (self._reader, self._writer), self._host_field, self._pages
            )
        return self._simple

    async def _go_on(self, ending: Ending, upstream: Side) -> bool | Raw:
        """Go on with an exchange that turned out not to be simple."""
        if isinstance(ending, Answered):
            await self.agent.send(ending.left)
            return True
        if isinstance(ending, Judged):
            if ending.asked is None or not await self._questions.settle_request(ending.asked):
                raise _forbidden()
            return await self._pass(ending.request, self._written(ending.request, ending.request.fields), upstream, {})
        if isinstance(ending, Begun):
            return await self._pass(ending.request, ending.left, upstream, {})
        return False

    # ------------------------------------------------------------------------------------------------ the next request

    async def _next_head(self) -> bytes | None:
        """Return the next request head; None when there is none."""
        if not self.agent.buffered and not await self._something_comes():
            return None
        if self.upstream is not None and self.agent.buffered.startswith(b"\r\n"):
            self.agent.take(2)  # an empty line after a body is tolerated (RFC 9112, 2.2)
        try:
            with trio.fail_after(HEAD_SECONDS):
                while (end := request_end(self.agent.buffered)) is None:
                    if not await self.agent.fill():
                        return None
        except trio.TooSlowError:
            raise SideIdle from None
        except HeadError as error:
            raise await self._malformed(error) from error
        return self.agent.take(end)

    async def _something_comes(self) -> bool:
        """Wait for the agent between two requests; False when one side hangs up."""
        if self.upstream is None:
            return await self.agent.fill()
        try:
            return await self.agent.fill(QUIET_SECONDS)
        except SideIdle:
            await self._first_word(self.agent, self.upstream)
        return bool(self.agent.buffered)

    async def _first_word(self, *sides: Side) -> None:
        """Wait until one side says something or hangs up."""

        async def listen(side: Side, scope: trio.CancelScope) -> None:
            try:
                await side.fill()
            except (SideLost, SideIdle):
                pass  # either is the end of the flow, which who called finds
            scope.cancel()

        async with trio.open_nursery() as nursery:
            for side in sides:
                nursery.start_soon(listen, side, nursery.cancel_scope)

    # ------------------------------------------------------------------------------------------------------- serve it

    async def _serve(self, head: bytes) -> bool | Raw:
        try:
            request = self._reader.read(head)
        except HeadError as error:
            raise await self._malformed(error) from error
        injected = await self._inject(request)
        if not await self._questions.may_request(request, self._scheme):
            raise _forbidden()
        await self._ask_raw(request)
        if request.has_body and (request.method not in _WITH_BODY or self._questions.is_ruled()):
            request = msgspec.structs.replace(request, keeps=False)
        if self.upstream is None:
            self.upstream = await self._connect()
        return await self._pass(request, self._written(request, injected.fields), self.upstream, injected.echoes)

    def _written(self, request: Request, fields: tuple[Field, ...]) -> bytes:
        return self._writer.write(request, self._host_of(request), fields)

    async def _pass(self, request: Request, head: bytes, upstream: Side, echoes: Mapping[bytes, bytes]) -> bool | Raw:
        page = None if self._pages is None else self._pages.open(request.target)
        exchange = Exchange(self.agent, upstream, Passed(request, head, echoes, self._vault.placeholders), page)
        try:
            return await exchange.run()
        except (BodyError, MisplacedInBody) as fault:
            raise await self._broken_body(fault, request, exchange) from fault

    async def _inject(self, request: Request) -> Injected:
        if self._vault.is_empty:
            return Injected(request.fields, {})
        try:
            return self._vault.inject(self._host, self._scheme, request.target, request.fields)
        except Misplaced as misplaced:
            await self._questions.report_request(PLACEHOLDER, self._scheme, _without_target(request))
            raise _misplaced() from misplaced

    async def _ask_raw(self, request: Request) -> None:
        if request.method == "CONNECT":
            allowed = await self._questions.may_be_raw("connect")
        elif request.upgrade is not None:
            allowed = await self._questions.may_be_raw("upgrade")
        else:
            return
        if not allowed:
            raise _forbidden()

    def _host_of(self, request: Request) -> bytes:
        return request.target.encode("ascii") if request.method == "CONNECT" else self._host_field

    # --------------------------------------------------------------------------------------------------------- faults

    async def _malformed(self, error: HeadError) -> Refused:
        await self._questions.report_request(error.word, self._scheme)
        return Refused(400, "Bad Request", f"this request cannot be passed on ({error.word})")

    async def _broken_body(self, fault: Exception, request: Request, exchange: Exchange) -> Exception:
        """Record a body that cannot be passed on, and return what ends the flow."""
        if isinstance(fault, BodyError) and fault.word == "cut_short":
            return SideLost()
        word = fault.word if isinstance(fault, BodyError) else PLACEHOLDER
        await self._questions.report_request(word, self._scheme, _without_target(request))
        if exchange.has_answered:
            return SideLost()
        if isinstance(fault, BodyError):
            return Refused(400, "Bad Request", f"this request cannot be passed on ({word})")
        return _misplaced()


def _without_target(request: Request) -> Request:
    """A request that is at fault may hold anything in its query."""
    return msgspec.structs.replace(request, target=request.target.partition("?")[0])


def _forbidden() -> Refused:
    return Refused(403, "Forbidden", "this request is not allowed here")


def _misplaced() -> Refused:
    return Refused(403, "Forbidden", "a credential's placeholder stands where its token does not belong")
