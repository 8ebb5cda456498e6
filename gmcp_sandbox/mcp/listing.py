"""A server's tools, list by list: inspected, compared with what is pinned, and made known to the layers.

Guarantees:
- A client sees only definitions that are granted and pinned, word for word; what is stopped is not shown, not called.
- What is known of a server is what the client session at hand was told by its own process of the server: a server that
  tells two clients two things is judged by each.
- Every tool that is pinned or stopped for the first time in a session stands in the record, before the list goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import trio

from gmcp_sandbox.calls.canonical import CanonicalError, canonical, parse_object
from gmcp_sandbox.mcp.pins import INSTRUCTIONS, LONGEST_DEFINITION, MOST_TOOLS, PinFile, PinStore, digest_of
from gmcp_sandbox.mcp.review import Listed, Reviewed, is_pinned, known_tool, review
from gmcp_sandbox.pipeline.descriptions import ORDERS, Inspector, checked_schema, texts_of
from gmcp_sandbox.pipeline.incoming import Incoming
from gmcp_sandbox.policy.mcp import Mcp, McpServer
from gmcp_sandbox.policy.state import SessionState
from gmcp_sandbox.policy.toolbook import KnownTool
from gmcp_sandbox.policy.wildcards import compile_wildcards

_SHOWN_REASONS = 6
_MOST_COMPILED = 4 * MOST_TOOLS


class Overseer(Protocol):
    """The monitor, as it is used here."""

    state: SessionState

    async def judge_incoming(self, text: str, source: str, *, taints: bool = True) -> Incoming:
        """Judge a text for orders to its reader, and record it."""

    def note(self, name: str, **fields: str | int) -> None:
        """Record an event."""


class View:
    """What one client session was told of one server's tools."""

    __slots__ = ("cursors", "is_whole", "known", "marks")

    def __init__(self) -> None:
        self.known: dict[str, KnownTool] = {}
        self.marks: dict[str, tuple[str, ...]] = {}
        """Digest and what stopped each tool: two views with equal marks are one."""
        self.is_whole = False
        self.cursors: set[str] = set()


class Lists:
    """The lists of all client sessions."""

    def __init__(self, overseer: Overseer, policy: Mcp, pins: PinStore, clock: Callable[[], int]) -> None:
        self._overseer = overseer
        self._policy = policy
        self._pins = pins
        self._clock = clock
        self._inspector = Inspector()
        self._granted = {server.name: compile_wildcards(server.tools) for server in policy.servers}
        self._views: dict[tuple[int, str], View] = {}
        self._installed: dict[str, dict[str, tuple[str, ...]]] = {}
        self._compiled: dict[tuple[str, tuple[str, ...], tuple[str, ...]], KnownTool] = {}
        """What is known of definitions, by digest: every client lists the same."""
        self._noted: set[tuple[str, str, str]] = set()

    def is_current(self, session: int, server: str) -> bool:
        """True when the session was told of all tools, and nothing has changed since."""
        view = self._views.get((session, server))
        return view is not None and view.is_whole

    def forget(self, session: int, server: str) -> None:
        """Take what the session was told as outdated."""
        self._views.pop((session, server), None)

    def install(self, session: int, server: str) -> None:
        """Let the layers judge by what this session was told."""
        view = self._views.get((session, server))
        if view is None or self._installed.get(server) == view.marks:
            return
        self._installed[server] = dict(view.marks)
        self._overseer.state.learn(server, view.known)

    async def page(self, session: int, server: McpServer, cursor: str | None, result: dict[str, Any]) -> dict[str, Any]:
        """Return one page of a list as the client may see it.

        Raises:
            AuditError: Something could not be recorded.
            HostError: What is pinned cannot be read or written.
        """
        view = self._view(session, server.name, cursor)
        following = result.get("nextCursor")
        is_last = not isinstance(following, str)
        tools = result.get("tools")
        listed = [
            each
            for tool in (tools if isinstance(tools, list) else [])[: MOST_TOOLS + 1]
            if (each := self._listed(tool, view)) is not None
        ]
        reviewed = await self._reviewed(server, [each for each, _tool in listed], is_last=is_last)
        shown = []
        for (one, tool), result_of in zip(listed, reviewed, strict=True):
            await trio.lowlevel.checkpoint()  # a schema takes milliseconds, a hostile list has hundreds
            self._take(view, tool, result_of)
            if not view.known[one.name].stopped and self._granted[server.name](one.name):
                shown.append(tool)
        view.is_whole = is_last
        if isinstance(following, str):
            view.cursors.add(following)
        self.install(session, server.name)
        return {"tools": shown} if is_last else {"tools": shown, "nextCursor": following}

    async def instructions(self, server: McpServer, text: str) -> bool:
        """Return whether a server's instructions to the model may reach it."""
        definition = canonical({"instructions": text})
        listed = Listed(INSTRUCTIONS, definition, digest_of(definition), tuple(self._inspector.of_text(text)))
        reviewed = await self._reviewed(server, [listed], is_last=False)
        return not reviewed[0].stopped

    # ------------------------------------------------------------------------------------------------------- inside

    def _view(self, session: int, server: str, cursor: str | None) -> View:
        view = self._views.get((session, server))
        if view is None or cursor is None or cursor not in view.cursors:
            view = self._views[session, server] = View()
        return view

    def _listed(self, tool: object, view: View) -> tuple[Listed, dict[str, Any]] | None:
        """Return a tool as it is listed; None for what is none, or stands there for a second time."""
        name = tool.get("name") if isinstance(tool, dict) else None
        if not isinstance(name, str) or not name or name == INSTRUCTIONS or name in view.marks:
            return None
        view.marks[name] = ()
        try:
            definition = canonical(tool)
        except CanonicalError:
            return None
        if len(definition) > LONGEST_DEFINITION or len(name) > 512:
            return None
        return Listed(name, definition, digest_of(definition)), dict(tool)  # type: ignore[call-overload] # a dict

    async def _reviewed(self, server: McpServer, listed: list[Listed], *, is_last: bool) -> tuple[Reviewed, ...]:
        before = self._pins.read(server)
        others = self._others(server)
        looked_at = [
            one if is_pinned(before, one.name, one.digest) else await self._inspected(server, one, others)
            for one in listed
        ]
        found: list[Reviewed] = []

        def change(file: PinFile) -> PinFile:
            first_use = self._policy.pin == "first-use"
            after, results = review(file, looked_at, first_use=first_use, others=others, at_ns=self._clock())
            found[:] = results
            return msgspec.structs.replace(after, is_seen=after.is_seen or is_last)

        self._pins.update(server, change)
        for one in found:
            self._note(server, one)
        return tuple(found)

    async def _inspected(self, server: McpServer, one: Listed, others: dict[str, list[str]]) -> Listed:
        """Return a tool with what patterns, its own schema and the gate have against it."""
        await trio.lowlevel.checkpoint()
        tool = parse_object(one.definition)
        findings = list(one.findings)
        if one.name != INSTRUCTIONS:
            findings += self._inspector.findings(one.name, tool, others)
            _check, against = checked_schema(tool.get("inputSchema"), leave_out_patterns=False)
            findings += [against] if against else []
        if ORDERS not in findings and await self._holds_orders(tool, f"tool description {server.name}/{one.name}"):
            findings.append(ORDERS)
        return msgspec.structs.replace(one, findings=tuple(dict.fromkeys(findings)))

    async def _holds_orders(self, tool: dict[str, Any], source: str) -> bool:
        """Ask the gate about the whole definition, and about the description by itself, which a long schema drowns."""
        description = tool.get("description")
        texts = ["\n".join(texts_of(tool)), description if isinstance(description, str) else ""]
        for text in filter(None, texts):
            if (await self._overseer.judge_incoming(text, source, taints=False)).is_hit:
                return True
        return False

    def _others(self, server: McpServer) -> dict[str, list[str]]:
        """Return the names of tools that other servers of the profile have approved."""
        return {
            other.name: [name for name in self._pins.read(other).pins if name != INSTRUCTIONS]
            for other in self._policy.servers
            if other.name != server.name
        }

    def _take(self, view: View, tool: dict[str, Any], one: Reviewed) -> None:
        key = (one.listed.digest, one.stopped, one.accepted)
        known = self._compiled.get(key)
        if known is None:
            if len(self._compiled) >= _MOST_COMPILED:
                self._compiled.clear()
            known = self._compiled[key] = known_tool(tool, one.stopped, one.accepted)
        view.known[one.listed.name] = known
        view.marks[one.listed.name] = (one.listed.digest, *known.stopped)

    def _note(self, server: McpServer, one: Reviewed) -> None:
        mark = (server.name, one.listed.name, one.listed.digest)
        if mark in self._noted or not (one.stopped or one.is_first):
            return
        self._noted.add(mark)
        fields = {"server": server.name, "tool": one.listed.name[:256], "digest": one.listed.digest}
        if one.is_first:
            self._overseer.note("mcp_tool_pinned", **fields, how="first-use")
        else:
            self._overseer.note("mcp_tool_stopped", **fields, reasons="; ".join(one.stopped[:_SHOWN_REASONS])[:1024])
