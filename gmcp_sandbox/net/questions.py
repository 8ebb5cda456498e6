"""The tool calls of the application layer: what a flow is about to carry, asked before it is carried.

Each question returns whether it may happen, with the record written. What the pipeline judges by (the bound name, the
right to raw bytes) is compared here once more where the shell knows it, so that a gap in a profile's rules closes a
flow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from gmcp_sandbox.calls.arguments import Arguments, HttpRequest, NetConnect, TlsHello
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.labels import NETWORK
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.monitor.mediator import PromptMediator, Unsettled
from gmcp_sandbox.net.framing import Mode
from gmcp_sandbox.net.hello import Hello
from gmcp_sandbox.net.requests import Request
from gmcp_sandbox.net.types import Target

Scheme = Literal["http", "https"]
RawCause = Literal["unknown", "server_first", "silent", "upgrade", "connect", "http2"]
_NO_METHOD = "UNKNOWN"
"""In the record of a request whose request line has no meaning; no server knows it."""


class Asked(NamedTuple):
    """A request that a gate or an approver has to answer for."""

    request: Request
    call: ToolCall
    unsettled: Unsettled


class Questions:
    """Asks about one flow.

    Args:
        is_ruled: Whether the profile has, at present, rules about single requests to the flow's host.
    """

    def __init__(
        self, mediator: PromptMediator, target: Target, *, is_ruled: Callable[[], bool] = lambda: False
    ) -> None:
        self._mediator = mediator
        self.target = target
        self.is_ruled = is_ruled

    async def may_greet(self, hello: Hello) -> bool:
        """Whether this ClientHello may go on: the name that it asks for is the one that the flow is bound to."""
        target = self.target
        asked = TlsHello(hello.server_name, target.port, hello.alpn, hello.ech)
        expected = None if target.is_literal else target.host
        return await self._ask(Tool.TLS_HELLO, asked) and hello.server_name == expected

    async def may_request(self, request: Request, scheme: Scheme) -> bool:
        """Whether this request may go on: the host that it names is the one that the flow is bound to."""
        if not self.names_port(request):
            await self.report_request("other_port", scheme, request)
            return False
        begun = self.begin_request(request, scheme)
        return begun if isinstance(begun, bool) else await self.settle_request(begun)

    def begin_request(self, request: Request, scheme: Scheme) -> bool | Asked:
        """Ask, without waiting, for a request that names the flow's port; `settle_request` what is no bool."""
        asked = self._described(request, scheme, None)
        length = request.framing.length if request.framing.mode is Mode.LENGTH else None
        extent = None if length is None else (0, length)
        call = self._mediator.call(Tool.HTTP_REQUEST, self.target.host, asked, label=NETWORK, extent=extent)
        begun = self._mediator.begin(call)
        if isinstance(begun, Unsettled):
            return Asked(request, call, begun)
        return begun.is_allowed and self._names_target(request)

    async def settle_request(self, asked: Asked) -> bool:
        """Whether a request that `begin_request` left open may go on."""
        decision = await self._mediator.settle(asked.call, asked.unsettled)
        return decision.is_allowed and self._names_target(asked.request)

    async def may_be_raw(self, cause: RawCause) -> bool:
        """Whether the flow may carry bytes that nobody looks at."""
        return await self._ask(Tool.NET_CONNECT, NetConnect(self.target.port, self.target.address, cause))

    async def report_hello(self, fault: str) -> None:
        """Record a ClientHello that cannot be judged."""
        await self._ask(Tool.TLS_HELLO, TlsHello(None, self.target.port, fault=fault))

    async def report_request(self, fault: str, scheme: Scheme, request: Request | None = None) -> None:
        """Record a request that cannot be passed on."""
        if request is not None:
            asked = self._described(request, scheme, fault)
        else:
            asked = HttpRequest(_NO_METHOD, "", self.target.port, scheme=scheme, fault=fault)
        await self._ask(Tool.HTTP_REQUEST, asked)

    def _described(self, request: Request, scheme: Scheme, fault: str | None) -> HttpRequest:
        named = request.authority
        return HttpRequest(
            request.method,
            request.target,
            self.target.port,
            request.names,
            scheme,
            None if named is None else named.host,
            fault,
        )

    def _names_target(self, request: Request) -> bool:
        named = request.authority
        return request.method == "CONNECT" or named is None or named.host == self.target.host

    def names_port(self, request: Request) -> bool:
        """Whether a request names the port that the flow is for, or none; what CONNECT names is another thing."""
        named = request.authority
        return request.method == "CONNECT" or named is None or named.port in (None, self.target.port)

    async def _ask(self, tool: Tool, asked: Arguments, extent: tuple[int, int] | None = None) -> bool:
        call = self._mediator.call(tool, self.target.host, asked, label=NETWORK, extent=extent)
        return (await self._mediator.mediate(call)).is_allowed
