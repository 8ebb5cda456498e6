"""One request that was allowed, and its answer: both streamed, neither held.

The answer is read while the body is still on its way, because a server may answer early (100 Continue, 413). The
connection is kept only when both messages have ended where their heads said so. Nothing is passed on that was not read
as HTTP and written anew; after an allowed Upgrade or CONNECT, what follows is `Raw`. Trailers of a request are left
out: they come when it is judged already, and some servers take them for fields of its head.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import trio

from gmcp_sandbox.errors import AuditError
from gmcp_sandbox.net.framing import NO_BODY, BodyError, Decoder, Mode, decoder_for, frame, frame_end
from gmcp_sandbox.net.head import Field, HeadError, parse_response, response_end
from gmcp_sandbox.net.masking import Finder, Masker
from gmcp_sandbox.net.pages import Page
from gmcp_sandbox.net.requests import Request
from gmcp_sandbox.net.responses import Response, agent_mode, read_response, write_response
from gmcp_sandbox.net.side import Side, SideIdle, SideLost

MOST_INTERIM = 64
"""Interim responses to one request."""
_FRAMING = frozenset({"content-length", "transfer-encoding", "host", "connection", "upgrade"})
"""Fields that no trailer of an answer may bring."""


class Raw(msgspec.Struct, frozen=True):
    """From here on both sides speak something else; what was read and not passed on lies in their buffers."""


class Refused(Exception):
    """The agent gets this answer of ours and no other, and the flow ends."""

    def __init__(self, status: int, phrase: str, text: str) -> None:
        super().__init__(status, phrase, text)
        self.status = status
        self.phrase = phrase
        self.text = text


class MisplacedInBody(Exception):
    """A body carries a placeholder."""


class Passed(msgspec.Struct, frozen=True):
    """A request as it goes upstream.

    Attributes:
        request: What was judged.
        head: Written anew.
        echoes: Tokens that must not come back, and what stands in for each.
        placeholders: That must not stand in its body.
    """

    request: Request
    head: bytes
    echoes: Mapping[bytes, bytes] = {}
    placeholders: tuple[bytes, ...] = ()


class Exchange:
    """One request and its response."""

    def __init__(self, agent: Side, upstream: Side, passed: Passed, page: Page | None = None) -> None:
        self._agent = agent
        self._upstream = upstream
        self._passed = passed
        self._page = page
        self._request = passed.request
        self._finder = Finder(passed.placeholders)
        self._body: Decoder = decoder_for(passed.request.framing)
        self._sent_all = trio.Event()
        self._is_refused = False
        self.has_answered = False
        """The final response is on its way; nothing of ours can take its place."""

    async def run(self) -> bool | Raw:
        """Pass request and response; return whether both connections stay open.

        Raises:
            Refused: The server's answer cannot be passed on, and none of it was.
            BodyError: The agent's body is malformed.
            MisplacedInBody: It carries a placeholder.
            SideLost, SideIdle: One side is gone, or stands still.
            AuditError: What came could not be recorded.
        """
        first = self._passed.head
        if self._request.framing is not NO_BODY:
            first += self._framed(self._agent.take())
        if self._body.is_done:
            self._agent.put_back(self._body.rest)
            await self._upstream.send(first)
            self._sent_all.set()
            return await self._answer()
        return await self._answer_while_sending(first)

    # -------------------------------------------------------------------------------------------------- the agent's
    # body

    def _framed(self, data: bytes) -> bytes:
        """Return the next bytes of the agent's body as they go upstream."""
        payload = self._body.feed(data)
        if self._finder.is_in(payload):
            raise MisplacedInBody
        mode = self._request.framing.mode
        framed = frame(mode, payload)
        return framed + frame_end(mode) if self._body.is_done else framed

    async def _answer_while_sending(self, first: bytes) -> bool | Raw:
        """Send the body beside the answer. Whoever fails first stops the other; only values leave the nursery."""
        outcome: list[bool | Raw | Exception] = []

        async def send(scope: trio.CancelScope) -> None:
            try:
                await self._send_body(first)
            except SideLost:
                self._is_refused = True
                self._sent_all.set()
                if self._agent.is_lost:
                    outcome.append(SideLost())
                    scope.cancel()
                # Else the server stopped listening: its answer may say why.
            except (BodyError, MisplacedInBody, SideIdle) as fault:
                outcome.append(fault)
                scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, nursery.cancel_scope)
            try:
                answer = await self._answer()
                outcome.append(answer and await self._finish_sending())
            except (Refused, SideLost, SideIdle, AuditError) as fault:
                outcome.append(fault)
            nursery.cancel_scope.cancel()
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    async def _send_body(self, first: bytes) -> None:
        await self._upstream.send(first)
        while not self._body.is_done:
            data = await _patiently(self._agent)
            if not data:
                raise BodyError("cut_short")
            await self._upstream.send(self._framed(data))
        self._agent.put_back(self._body.rest)
        self._sent_all.set()

    async def _finish_sending(self) -> bool:
        """Wait for the last piece of the body; nothing more is awaited from the agent."""
        if not self._body.is_done:
            return False
        await self._sent_all.wait()
        return not self._is_refused

    # ---------------------------------------------------------------------------------------------------- the answer

    async def _answer(self) -> bool | Raw:
        masker = Masker(self._passed.echoes)
        for _ in range(MOST_INTERIM):
            response = await self._response()
            if response.is_raw(self._request):
                return await self._turn_raw(response)
            if not response.is_interim:
                return await self._pass_final(response, masker)
            if self._request.minor:
                await self._agent.send(await self._head(response, True, masker))
        raise _bad_gateway("it sends interim responses without end")

    async def _response(self) -> Response:
        upstream = self._upstream
        try:
            while (end := response_end(upstream.buffered)) is None:
                data = await _patiently(upstream)
                upstream.put_back(upstream.take() + data)
                if not data and upstream.buffered:
                    raise _bad_gateway("its answer breaks off")
                if not data:
                    raise SideLost
            return read_response(parse_response(upstream.take(end)), self._request.method)
        except HeadError as error:
            raise _bad_gateway(f"its answer is malformed ({error.word})") from error

    async def _turn_raw(self, response: Response) -> Raw:
        if self._request.upgrade is None and self._request.method != "CONNECT":
            raise _bad_gateway("it changes to a protocol that was not asked for")
        head = write_response(response, self._request, True, response.fields)
        if self._page is not None:
            await self._page.read_fields(head)
        await self._agent.send(head)
        return Raw()

    async def _pass_final(self, response: Response, masker: Masker) -> bool:
        keeps = self._request.keeps and response.keeps and self._body.is_done
        mode = agent_mode(response, self._request)
        keeps = keeps and mode is not Mode.CLOSE
        body = decoder_for(response.framing)
        pending = await self._head(response, keeps, masker)
        self.has_answered = True
        data = self._upstream.take()
        while True:
            if data:
                pending += frame(mode, masker.feed(await self._read(_payload(body, data))))
            if body.is_done:
                break
            await self._agent.send(pending)
            pending = b""
            data = await self._upstream.receive()
            if not data:
                _end(body)
        trailers = _masked(_allowed_trailers(body), masker)
        if trailers and self._page is not None:
            await self._page.read_fields(b"".join(b"%b: %b\n" % (field.name, field.value) for field in trailers))
        await self._agent.send(pending + frame(mode, masker.finish()) + frame_end(mode, trailers))
        return keeps and not body.rest

    async def _head(self, response: Response, keeps: bool, masker: Masker) -> bytes:
        fields = _masked(response.fields, masker)
        masked = msgspec.structs.replace(response, reason=masker.whole(response.reason))
        head = write_response(masked, self._request, keeps, fields)
        if self._page is not None:
            await self._page.begin(response, head)
        return head

    async def _read(self, payload: bytes) -> bytes:
        if self._page is not None:
            await self._page.read(payload)
        return payload


async def _patiently(side: Side) -> bytes:
    """Receive from a side that may be silent for as long as it takes what it is sent."""
    while True:
        sent = side.sent
        try:
            return await side.receive()
        except SideIdle:
            if side.sent == sent:
                raise


def _payload(body: Decoder, data: bytes) -> bytes:
    """Take the framing off the server's body; one that breaks it can only be cut off."""
    try:
        return body.feed(data)
    except BodyError as error:
        raise SideLost from error


def _end(body: Decoder) -> None:
    try:
        body.end()
    except BodyError as error:
        raise SideLost from error


def _masked(fields: tuple[Field, ...], masker: Masker) -> tuple[Field, ...]:
    return tuple(field._replace(value=masker.whole(field.value)) for field in fields)


def _allowed_trailers(body: Decoder) -> tuple[Field, ...]:
    return tuple(field for field in body.trailers if field.key not in _FRAMING)


def _bad_gateway(what: str) -> Refused:
    return Refused(502, "Bad Gateway", f"the server cannot be understood: {what}")
