"""An open TCP flow: the application layer speaks first, then the relay carries, and the end is written down.

Guarantee: every flow that was open leaves one "flow" event with its bytes and how it ended, whatever ended it.
"""

from __future__ import annotations

from typing import Final

import trio

from gmcp_sandbox.errors import AuditError
from gmcp_sandbox.net import sockets
from gmcp_sandbox.net.addressing import AGENT_V4, AGENT_V6
from gmcp_sandbox.net.carrier import Carrier
from gmcp_sandbox.net.dnsstream import serve_questions
from gmcp_sandbox.net.flow import Flow
from gmcp_sandbox.net.parts import Parts
from gmcp_sandbox.net.types import Closing, Dialled, HandOff

_CUT_OFF: Final = frozenset({"denied", "malformed", "reset", "idle", "broken", "ended", "unrecorded"})
"""Endings in which neither side may take what it got for the whole."""


class OpenFlows:
    """Leads the open flows of a session to their ends."""

    def __init__(self, parts: Parts, carrier: Carrier) -> None:
        self._parts = parts
        self._carrier = carrier

    async def hold(self, flow: Flow, dialled: Dialled) -> None:
        """Converse to the end of the flow and write it down. The upstream stays the caller's to close."""
        tally = _Tally(self._parts, flow)
        try:
            await self._talk(flow, dialled, tally)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            tally.how = "reset"
        except AuditError:
            tally.how = "unrecorded"
            raise
        except Exception as fault:  # noqa: BLE001 - the documented boundary: what hostile bytes break is their own flow
            tally.how = "broken"
            self._parts.event("flow_broken", host=flow.target.host, port=flow.target.port, what=type(fault).__name__)
        finally:
            is_cut = flow.is_revoked or tally.how in _CUT_OFF
            if is_cut:
                sockets.reset_on_close(dialled.stream.socket)
            flow.close(with_reset=is_cut)
            tally.write(dialled.address)

    async def _talk(self, flow: Flow, dialled: Dialled, tally: _Tally) -> None:
        assert flow.agent is not None
        agent = trio.SocketStream(trio.socket.from_stdlib_socket(flow.agent))
        outcome = await self._parts.converse(flow.target, agent, dialled.stream, tally.moved)
        if isinstance(outcome, Closing):
            tally.how = outcome.how
            return
        await _deliver(outcome, agent, dialled.stream)
        tally.moved(len(outcome.up), len(outcome.down))
        idle = self._parts.policy.idle_seconds
        report = await self._carrier.carry(flow.agent, dialled.stream.socket, idle=idle, moved=tally.moved)
        tally.how = report.how

    async def answer_questions(self, flow: Flow) -> None:
        """Answer DNS questions to the end of the flow."""
        assert flow.agent is not None
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(flow.agent))
        agent = AGENT_V6 if ":" in flow.key.address else AGENT_V4
        how = await serve_questions(stream, self._parts.dns, flow.key, agent)
        flow.close(with_reset=how == "reset")


class _Tally:
    """What a flow has carried so far, and how it ended."""

    def __init__(self, parts: Parts, flow: Flow) -> None:
        self._parts = parts
        self._flow = flow
        self._began = trio.current_time()
        self.up = self.down = 0
        self.how = "ended"  # with the session, unless somebody says otherwise

    def moved(self, up: int, down: int) -> None:
        """Count bytes that the relay, or `_deliver`, has carried."""
        self.up += up
        self.down += down
        for kind, amount in (("net.bytes_up", up), ("net.bytes_down", down)):
            if amount:
                self._parts.count(kind, self._flow.target.host, amount)

    def write(self, address: str) -> None:
        """Write the flow's end down."""
        target = self._flow.target
        self._parts.event(
            "flow",
            protocol="tcp",
            host=target.host,
            port=target.port,
            address=address,
            up=self.up,
            down=self.down,
            seconds=round(trio.current_time() - self._began, 3),
            how="revoked" if self._flow.is_revoked else self.how,
        )


async def _deliver(outcome: HandOff, agent: trio.SocketStream, upstream: trio.SocketStream) -> None:
    """Pass on what the application layer has read and not yet passed."""
    if outcome.up and outcome.down:  # neither waits for the other
        async with trio.open_nursery() as nursery:
            nursery.start_soon(upstream.send_all, outcome.up)
            nursery.start_soon(agent.send_all, outcome.down)
    elif outcome.up:
        await upstream.send_all(outcome.up)
    elif outcome.down:
        await agent.send_all(outcome.down)
