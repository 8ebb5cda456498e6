"""Judges every message between the agent's MCP clients and their servers that means something.

A request becomes a tool call and passes `Monitor.mediate`; what comes back is inspected before it is delivered. What is
passed on is made anew from what was judged.

Invariants:
- Nothing that is not one of the known methods passes. What a server may ask for, a client learns when it is
  granted.
- A result is delivered after the session was tainted by its server and, when it holds instructions, by these.
- Whatever goes wrong with one message refuses that message; only a record that cannot be written ends more.

Leaves to others: connections, processes, ids, deadlines and sizes of messages (`service.py`, the worker), and who is
who: `At` comes from the channel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from gmcp_sandbox import __version__
from gmcp_sandbox.calls.arguments import Arguments
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.canonical import CanonicalError, parse_object
from gmcp_sandbox.calls.labels import TOOL, Label, server_label
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Decision, Layer
from gmcp_sandbox.errors import HostError
from gmcp_sandbox.mcp import handshake, requests
from gmcp_sandbox.mcp.answers import DENIED, INVALID_PARAMS, METHOD_NOT_FOUND, Answer, At, ListFirst, Pass, Refuse, Way
from gmcp_sandbox.mcp.answers import Replace as Replaced
from gmcp_sandbox.mcp.arrivals import UNFIT, answer_of, encoded, read_object, receive
from gmcp_sandbox.mcp.cursors import Cursors
from gmcp_sandbox.mcp.inspection import Masks
from gmcp_sandbox.mcp.listing import Lists, Overseer
from gmcp_sandbox.mcp.pins import PinStore
from gmcp_sandbox.mcp.requests import Wanted
from gmcp_sandbox.pipeline.schema import INPUT
from gmcp_sandbox.policy.mcp import Mcp, McpServer
from gmcp_sandbox.policy.wildcards import compile_wildcards

_SUBJECTS = {
    "tools/call": "tool result",
    "resources/read": "resource",
    "prompts/get": "prompt",
    "completion/complete": "completion",
    "sampling/createMessage": "sampling request",
    "elicitation/create": "question to the user",
}
_CHANGES = {
    "notifications/resources/list_changed": "resources",
    "notifications/prompts/list_changed": "prompts",
}


class Mediates(Overseer, Protocol):
    """The monitor of the session."""

    def call(  # noqa: PLR0913 - one parameter for each field that a shell knows
        self,
        tool: Tool,
        object: str,
        args: Arguments,
        *,
        label: Label,
        pid: int = 0,
        extent: tuple[int, int] | None = None,
        content: bytes | None = None,
        derived: tuple[Label, ...] = (),
    ) -> ToolCall:
        """Return the next call of the session."""

    async def mediate(self, call: ToolCall) -> Decision:
        """Judge and record one call."""


class Governor:
    """The judge of one gateway; see `answers.Judge`."""

    def __init__(  # noqa: PLR0913 - the parts of a gateway's judge, each said by name
        self,
        monitor: Mediates,
        policy: Mcp,
        pins: PinStore,
        *,
        secrets: Mapping[str, Iterable[str]],
        clock: Callable[[], int],
        explain: bool = False,
    ) -> None:
        """`secrets` are the values of credentials by server; `explain`: tell clients which layer denied."""
        self._monitor = monitor
        self._policy = policy
        self._servers = {server.name: server for server in policy.servers}
        self._masks = Masks(word for words in secrets.values() for word in words)
        self._cursors = Cursors()
        self._lists = Lists(monitor, policy, pins, clock)
        self._explain = explain
        self._resources = {server.name: compile_wildcards(server.resources) for server in policy.servers}

    def deadline(self, server: str, tool: str | None) -> float:
        """Return how many seconds a call may take; None: any other request."""
        found = self._servers[server]
        for limit in found.limits if tool is not None else ():
            if limit.call_seconds is not None and compile_wildcards(limit.tools)(tool or ""):
                return limit.call_seconds
        return found.call_seconds

    # ------------------------------------------------------------------------------------------------- to the server

    async def request(self, at: At, method: str, params: bytes) -> Answer:
        """A client's request, before the server sees it."""
        given = _parsed(params)
        if method == "initialize":
            return _handshake(given, self._servers[at.server])
        asked = self._at_its_cursor(at, method, {} if given is None else given)
        if asked is None:
            return Refuse(INVALID_PARAMS, "no list of this session goes on at this cursor")
        wanted = requests.wanted(at.server, method, asked)
        if wanted is None:
            return self._refuse_method(at, method)
        if method == "tools/call" and wanted.params is not None:
            if not self._lists.is_current(at.session, at.server):
                return ListFirst()
            self._lists.install(at.session, at.server)
        return await self._mediate(at, wanted)

    async def reverse_result(self, at: At, method: str, params: bytes, result: bytes) -> Answer:
        """The client's result of a request of the server, before the server sees it."""
        given = _parsed(result)
        wanted = requests.reply(at.server, method, {"unreadable": True} if given is None else given)
        if wanted is None or given is None:
            return Refuse(UNFIT, "the client's answer cannot be judged")
        return await self._mediate(at, wanted)

    # ------------------------------------------------------------------------------------------------- to the client

    async def result(self, at: At, method: str, params: bytes, result: bytes) -> Answer:
        """The server's result of an allowed request, before the client sees it."""
        server = self._servers[at.server]
        is_content = method in _SUBJECTS
        given = read_object(result, server.result_bytes if is_content else server.message_bytes)
        if isinstance(given, Refuse):
            return given
        told = self._cursors.tell(at, method, given)
        if method == "tools/list":
            return await self._tools(at, server, _parsed(params) or {}, told)
        if method == "initialize":
            told = await self._greeting(server, given)
        asked = _parsed(params) or {}
        name = asked.get("name", asked.get("uri", ""))
        source = f"{_SUBJECTS.get(method, method)} {at.server}" + (f"/{name}" if isinstance(name, str) and name else "")
        arrival = await receive(self._monitor, told, source, self._masks, self._policy.redact)
        return answer_of(arrival) if told is given else Replaced(encoded(arrival.value))

    async def failure(self, at: At, method: str, params: bytes, error: bytes) -> Answer:
        """The server's JSON-RPC error for an allowed request."""
        given = read_object(error, self._servers[at.server].result_bytes)
        if isinstance(given, Refuse):
            return given
        source = f"error of {at.server}"
        return answer_of(await receive(self._monitor, given, source, self._masks, self._policy.redact))

    async def reverse(self, at: At, method: str, params: bytes) -> Answer:
        """A server's request, before the client sees it."""
        given = read_object(params, self._servers[at.server].message_bytes)
        wanted = None if isinstance(given, Refuse) else requests.wanted_in_reverse(at.server, method, given)
        if wanted is None:
            return self._refuse_method(at, method)
        answer = await self._mediate(at, wanted)
        if isinstance(answer, Refuse) or wanted.params is None:
            return answer
        source = f"{_SUBJECTS.get(method, method)} {at.server}"
        arrival = await receive(self._monitor, wanted.params, source, self._masks, self._policy.redact)
        return Replaced(encoded(arrival.value))

    async def notice(self, at: At, way: Way, method: str, params: bytes) -> Answer:
        """A notification with a text or a meaning."""
        given = _parsed(params)
        if given is None:
            return Refuse(INVALID_PARAMS, "cannot be judged")
        if way is Way.UP:
            return self._notice_up(at, method, given)
        if method == "notifications/tools/list_changed":
            self._lists.forget(at.session, at.server)
            return Replaced(b"{}")
        if method == "notifications/message":
            return await self._log_message(at, given)
        if method == "notifications/progress":
            return answer_of(await self._receive_notice(at, "progress", given))
        return self._notice_down(at, method, given)

    def ended(self, at: At) -> None:
        """That client session is over."""
        self._lists.forget(at.session, at.server)
        self._cursors.forget(at)

    # -------------------------------------------------------------------------------------------------------- inside

    def _at_its_cursor(self, at: At, method: str, given: dict[str, Any]) -> dict[str, Any] | None:
        """Return a request with the server's cursor in place of our word for it; None: the word means nothing."""
        word = given.get("cursor")
        if not isinstance(word, str) or not method.endswith("/list"):
            return given
        cursor = self._cursors.meant(at, method, word)
        return None if cursor is None else {**given, "cursor": cursor}

    async def _mediate(self, at: At, wanted: Wanted) -> Answer:
        derived = (server_label(at.server),) if wanted.brings else ()
        call = self._monitor.call(wanted.tool, wanted.object, wanted.args, label=TOOL, derived=derived)
        decision = await self._monitor.mediate(call)
        if not decision.is_allowed or wanted.params is None:
            return self._refusal(decision)
        return Replaced(encoded(wanted.params))

    def _refusal(self, decision: Decision) -> Refuse:
        """Return what a client learns of a denial: what is wrong with its arguments, else hardly more than that."""
        deciding = decision.deciding
        if deciding is not None and deciding.reason == f"{Layer.SCHEMA}.{INPUT}":
            return Refuse(INVALID_PARAMS, f"arguments do not fit the tool's schema: {deciding.detail}")
        family = "pipeline" if deciding is None else deciding.layer.value
        why = f": {family}" if self._explain else ""
        return Refuse(DENIED, f"denied by policy{why} (record {decision.call.seq} of {decision.call.session})")

    def _refuse_method(self, at: At, method: str) -> Refuse:
        self._monitor.note("mcp_method_refused", server=at.server, method=method[:128])
        return Refuse(METHOD_NOT_FOUND, "the gateway passes no such request on")

    async def _tools(self, at: At, server: McpServer, asked: dict[str, Any], given: dict[str, Any]) -> Answer:
        cursor = asked.get("cursor")
        try:
            word = self._cursors.word(cursor) if isinstance(cursor, str) else None
            page = await self._lists.page(at.session, server, word, given)
        except (HostError, CanonicalError) as fault:
            self._monitor.note("mcp_pins_unusable", server=at.server, why=str(fault)[:512])
            return Refuse(UNFIT, "the tools of this server cannot be compared with those that were approved")
        left, _was_masked = self._masks.value(page)
        return Replaced(encoded(left))

    async def _greeting(self, server: McpServer, given: dict[str, Any]) -> dict[str, Any]:
        kept = handshake.server_side(given, server)
        text = kept.get("instructions")
        try:
            if text is not None and not await self._lists.instructions(server, text):
                kept.pop("instructions")
        except (HostError, CanonicalError) as fault:
            self._monitor.note("mcp_pins_unusable", server=server.name, why=str(fault)[:512])
            kept.pop("instructions")
        return kept

    async def _log_message(self, at: At, given: dict[str, Any]) -> Answer:
        wanted = requests.logged(at.server, given)
        answer = await self._mediate(at, wanted)
        if isinstance(answer, Refuse) or wanted.params is None:
            return answer
        return Replaced(encoded((await self._receive_notice(at, "log message", wanted.params)).value))

    async def _receive_notice(self, at: At, what: str, given: dict[str, Any]) -> Any:
        return await receive(self._monitor, given, f"{what} of {at.server}", self._masks, self._policy.redact)

    def _notice_down(self, at: At, method: str, given: dict[str, Any]) -> Answer:
        server = self._servers[at.server]
        granted = _CHANGES.get(method)
        if granted is not None and getattr(server, granted):
            return Replaced(b"{}")
        uri = given.get("uri")
        if method == "notifications/resources/updated" and isinstance(uri, str) and self._resources[at.server](uri):
            return Replaced(encoded({"uri": uri}))
        return Refuse(METHOD_NOT_FOUND, "the gateway passes no such notification on")

    def _notice_up(self, at: At, method: str, given: dict[str, Any]) -> Answer:
        if method == "notifications/initialized":
            return Replaced(b"{}")
        if method == "notifications/roots/list_changed" and self._servers[at.server].roots:
            return Replaced(b"{}")
        return Refuse(METHOD_NOT_FOUND, "the gateway passes no such notification on")


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        return parse_object(text)
    except CanonicalError:
        return None


def _handshake(given: dict[str, Any] | None, server: McpServer) -> Answer:
    kept = None if given is None else handshake.client_side(given, server, __version__)
    if kept is None:
        return Refuse(INVALID_PARAMS, "no usual handshake")
    return Replaced(encoded(kept))


__all__ = ["Governor", "Mediates", "Pass"]
