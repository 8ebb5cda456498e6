"""The application layer of one flow: look at its first bytes, ask, and let it go on as what it was asked for.

    first bytes ─► TLS ──► tls.hello ──► raw to the relay, or opened and served as HTTP
                ├► HTTP ─► http.request, each
                ├► HTTP/2 in plain text ─► the right to raw bytes, or told to speak HTTP/1.1
                └► neither, or the server speaks first, or nobody ─► the right to raw bytes

Guarantees:
- Not a byte of the agent reaches the server before the tool call that it belongs to was allowed.
- A flow on which nobody speaks is decided, too, when `SILENT_SECONDS` are over.
- Whatever either side sends, the answer is a `Closing` or a `HandOff`.
"""

from __future__ import annotations

import select
import ssl
from collections.abc import Awaitable, Callable

import msgspec
import trio

from gmcp_sandbox.monitor.arrivals import Arrivals
from gmcp_sandbox.monitor.mediator import PromptMediator
from gmcp_sandbox.net import intercept
from gmcp_sandbox.net.authority import Authority
from gmcp_sandbox.net.credentials import Vault
from gmcp_sandbox.net.exchange import Raw
from gmcp_sandbox.net.hello import Hello, HelloError, read_hello
from gmcp_sandbox.net.http import HttpFlow
from gmcp_sandbox.net.http2 import REFUSAL, is_servers_preface
from gmcp_sandbox.net.lane import Lane
from gmcp_sandbox.net.pages import Pages
from gmcp_sandbox.net.questions import Questions, RawCause, Scheme
from gmcp_sandbox.net.requests import authority_bytes
from gmcp_sandbox.net.shuttle import shuttle
from gmcp_sandbox.net.side import Side, SideIdle, SideLost
from gmcp_sandbox.net.sniff import Kind, sniff
from gmcp_sandbox.net.types import Closing, HandOff, Moved, Target

SILENT_SECONDS = 30.0
"""For which the first byte of either side is awaited."""
SNIFF_SECONDS = 2.0
"""For the first bytes to say what they are: a program sends a request line in one piece."""
HELLO_SECONDS = 15.0
"""For a ClientHello to be complete."""


class Interception(msgspec.Struct):
    """How TLS flows are opened.

    Attributes:
        wanted: Whether the profile wants it for a host and a port; a reload puts another answer here.
        authority: Speaks for the hosts.
        trust: By which servers are verified.
        vault: Tokens that are put into requests.
    """

    wanted: Callable[[str, int], bool]
    authority: Authority
    trust: ssl.SSLContext
    vault: Vault


class Conversation:
    """The application layer of a session; called once for each flow.

    Args:
        is_ruled: Whether the profile has rules about single requests to a host and port; may be replaced.
        arrivals: Reads what servers answer; None: nobody does.
        idle: Seconds after which a silent flow is closed.
    """

    def __init__(
        self,
        mediator: PromptMediator,
        *,
        interception: Interception | None = None,
        is_ruled: Callable[[str, int], bool] = lambda host, port: False,
        arrivals: Arrivals | None = None,
        idle: float = 3600.0,
    ) -> None:
        self._mediator = mediator
        self._interception = interception
        self.is_ruled = is_ruled
        self._arrivals = arrivals
        self._idle = idle
        self._lane = Lane()

    async def run(self) -> None:
        """Serve plain HTTP of all flows together, for as long as the session lasts; else each is served alone."""
        await self._lane.serve()

    async def __call__(
        self, target: Target, agent: trio.SocketStream, upstream: trio.SocketStream, moved: Moved
    ) -> Closing | HandOff:
        """Read the first bytes, ask, then relay the flow to its end or hand it off."""
        sides = (
            Side(agent, idle=self._idle, count=lambda size: moved(0, size)),
            Side(upstream, idle=self._idle, count=lambda size: moved(size, 0)),
        )
        questions = Questions(self._mediator, target, is_ruled=lambda: self.is_ruled(target.host, target.port))
        lane = self._lane if self._lane.is_served else None
        flow = _Flow(questions, (agent, upstream), sides, self._interception, lane, self._arrivals)
        started = trio.current_time()
        how = await flow.run()
        if isinstance(how, HandOff):
            return how
        return Closing(flow.upstream.sent, flow.agent.sent, trio.current_time() - started, how)


class _Flow:
    """One flow while its kind is being found out, and after."""

    def __init__(  # noqa: PLR0913 - what a flow is made of
        self,
        questions: Questions,
        streams: tuple[trio.SocketStream, trio.SocketStream],
        sides: tuple[Side, Side],
        interception: Interception | None,
        lane: Lane | None,
        arrivals: Arrivals | None,
    ) -> None:
        self.agent, self.upstream = sides
        self._questions = questions
        self._target = questions.target
        self._streams = streams
        self._interception = interception
        self._lane = lane
        self._arrivals = arrivals

    async def run(self) -> str | HandOff:
        """Return how the flow ended, or what the relay needs to go on with it."""
        try:
            return await self._begin()
        except SideLost:
            return "reset"
        except SideIdle:
            return "idle"

    async def _begin(self) -> str | HandOff:
        cause = await self._first_word()
        if cause == "http2":
            return await self._http2()
        if cause is not None:
            return await self._raw(cause)
        if self.agent.is_ended or self.upstream.is_ended:
            return "closed"
        kind = await self._kind()
        if kind is Kind.HTTP:
            return await self._http()
        if kind is Kind.TLS:
            return await self._tls()
        if kind is Kind.HTTP2:
            return await self._http2()
        return await self._raw("unknown")

    # ------------------------------------------------------------------------------------------------- the first word

    async def _first_word(self) -> RawCause | None:
        """Wait until one side speaks or hangs up; return why the flow is opaque, None when the agent spoke."""
        speakers: list[trio.SocketStream] = []
        with trio.move_on_after(SILENT_SECONDS):
            speakers = await first_of(*self._streams)
        if not speakers:
            return "silent"
        if speakers[0] is self._streams[0]:
            await self.agent.fill()
            return None
        await self.upstream.fill()
        if self.upstream.is_ended:
            return None
        return "http2" if is_servers_preface(self.upstream.buffered) else "server_first"

    async def _kind(self) -> Kind:
        with trio.move_on_after(SNIFF_SECONDS):
            while (kind := sniff(self.agent.buffered)) is None:
                if not await self.agent.fill():
                    return Kind.OTHER
            return kind
        return Kind.OTHER

    # ---------------------------------------------------------------------------------------------------- what it is

    async def _raw(self, cause: RawCause) -> str | HandOff:
        return self._hand_off() if await self._questions.may_be_raw(cause) else "denied"

    async def _http2(self) -> str | HandOff:
        if await self._questions.may_be_raw("http2"):
            return self._hand_off()
        self.agent.take()
        await self.agent.say_last(REFUSAL)
        return "refused"

    def _hand_off(self) -> HandOff:
        return HandOff(self.agent.take(), self.upstream.take(), self.upstream.sent, self.agent.sent)

    async def _http(self) -> str | HandOff:
        async def connect() -> Side:
            return self.upstream

        ended = await self._http_flow("http", connect, self._vault(), self._lane).run()
        return self._hand_off() if isinstance(ended, Raw) else ended

    def _http_flow(
        self, scheme: Scheme, connect: Callable[[], Awaitable[Side]], vault: Vault, lane: Lane | None
    ) -> HttpFlow:
        authority = authority_bytes(self._target.host, self._target.port, scheme).decode("ascii")
        pages = None if self._arrivals is None else Pages(self._arrivals, f"{scheme}://{authority}")
        return HttpFlow(self._questions, self.agent, connect, scheme=scheme, vault=vault, lane=lane, pages=pages)

    async def _tls(self) -> str | HandOff:
        try:
            hello = await self._hello()
        except HelloError as error:
            await self._questions.report_hello(error.word)
            return await self._alert(intercept.DECODE_ERROR)
        if hello is None:
            return "closed"
        if not await self._questions.may_greet(hello):
            return await self._alert(intercept.ACCESS_DENIED)
        interception = self._interception
        if interception is None or not interception.wanted(self._target.host, self._target.port):
            return self._hand_off()
        if not intercept.offers_http(hello):
            return await self._alert(intercept.NO_APPLICATION_PROTOCOL)
        return await self._opened(interception)

    async def _hello(self) -> Hello | None:
        with trio.move_on_after(HELLO_SECONDS):
            while (hello := read_hello(self.agent.buffered)) is None:
                if not await self.agent.fill():
                    return None
            return hello
        raise HelloError("slow")

    async def _alert(self, description: int) -> str:
        self.agent.take()
        await self.agent.say_last(intercept.alert(description))
        return "refused"

    def _vault(self) -> Vault:
        return Vault() if self._interception is None else self._interception.vault

    # -------------------------------------------------------------------------------------------------------- opened

    async def _opened(self, interception: Interception) -> str:
        """Serve a TLS flow as HTTP."""
        context = interception.authority.server_context(self._target.host)
        stream = await intercept.open_agent(self._streams[0], self.agent.take(), context)
        if stream is None:
            return "agent_tls"
        outer = self.agent, self.upstream
        self.agent = outer[0].over(stream)

        async def connect() -> Side:
            inner = await intercept.open_upstream(self._streams[1], interception.trust, self._target.host)
            self.upstream = outer[1].over(inner)
            return self.upstream

        ended = await self._http_flow("https", connect, interception.vault, None).run()
        if isinstance(ended, Raw):
            return await shuttle(self.agent, self.upstream)
        if ended != "reset":
            await intercept.farewell(stream)
        return ended


async def first_of(*streams: trio.SocketStream) -> list[trio.SocketStream]:
    """Wait until there is something to read, or an end; return where, in the order of the arguments."""
    with select.epoll() as watcher:  # one descriptor to wait for, at a fraction of what a task for each costs
        by_fd = {stream.socket.fileno(): stream for stream in streams}
        for fd in by_fd:
            watcher.register(fd, select.EPOLLIN)
        while not (found := watcher.poll(0)):
            await trio.lowlevel.wait_readable(watcher.fileno())
    ready = {by_fd[fd] for fd, _ in found}
    return [stream for stream in streams if stream in ready]
