"""The one value that travels from a shell to the monitor: a requested effect."""

from __future__ import annotations

import msgspec

from gmcp_sandbox.calls.arguments import Arguments
from gmcp_sandbox.calls.labels import Label
from gmcp_sandbox.calls.tools import Tool


class ToolCall(msgspec.Struct, frozen=True, gc=False):
    """One requested effect.

    Attributes:
        seq: Number of the call in its session, from 1, without gaps in the order of asking.
        at_ns: When it was asked, nanoseconds since the epoch.
        session: Session id.
        agent: Name of the agent, as the profile or `--name` gives it.
        pid: Host process id of the asking process; 0 when the kernel request carries none.
        tool: What kind of effect.
        object: Absolute path in the view, host name or address, or `server/tool`.
        args: Typed arguments; of the type that `ARGUMENTS[tool]` names.
        label: The object's label, the higher of its path's and its own.
        extent: (offset, length) in bytes of a read or write; never part of what is remembered.
        content: The bytes to be written or sent, with the overlap to the bytes before; None when there are none.
        derived: Labels of what had been read by the session that wrote the object; whoever reads it is tainted by them.
    """

    seq: int
    at_ns: int
    session: str
    agent: str
    pid: int
    tool: Tool
    object: str
    args: Arguments
    label: Label
    extent: tuple[int, int] | None = None
    content: bytes | None = None
    derived: tuple[Label, ...] = ()
