"""What the front hands to the supervisor, which was forked before any of it was known.

The two read the modules that they need at the same time, on two processors, so that a launch costs the longer of both
and not their sum. The orders are one value; the descriptors travel beside it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gmcp_sandbox.cli.prepared import Preparation
from gmcp_sandbox.monitor.statedir import SessionDir
from gmcp_sandbox.proc.channel import Channel
from gmcp_sandbox.proc.stdio import Stdio


class Orders(msgspec.Struct, frozen=True):
    """One session to run."""

    prepared: Preparation
    session: str
    directory: str

    @property
    def session_dir(self) -> SessionDir:
        """The session's directory."""
        return SessionDir(self.session, Path(self.directory))


def give(line: Channel, orders: Orders, stdio: Stdio, agent_line: Channel) -> None:
    """Send the orders. The agent's ends of pipes and line are the receiver's from then on; close them here.

    Raises:
        OSError: The supervisor is gone.
    """
    # The standard library's JSON, because host paths may hold bytes that are no UTF-8 (PEP 383), which it can spell.
    text = json.dumps(msgspec.to_builtins(orders)).encode()
    reader, writer = os.pipe()
    pipes = [fd for fd in stdio.agent_side if fd is not None]
    line.send("orders", fds=(reader, agent_line.fileno(), *pipes), piped=[fd is not None for fd in stdio.agent_side])
    os.close(reader)
    with open(writer, "wb") as file:
        file.write(text)


def take(line: Channel) -> tuple[Orders, Stdio, Channel] | None:
    """Wait for orders; None when the front has ended or has none to give."""
    received = line.receive()
    if received is None:
        return None
    message, (reader, agent_line, *pipes) = received
    with open(reader, "rb") as file:
        orders = msgspec.convert(json.loads(file.read()), type=Orders)
    return orders, Stdio(_places(message["piped"], pipes), (None, None, None)), Channel.of(agent_line)


def _places(piped: Sequence[bool], pipes: list[int]) -> tuple[int | None, int | None, int | None]:
    ends = iter(pipes)
    first, second, third = (next(ends) if is_pipe else None for is_pipe in piped)
    return first, second, third
