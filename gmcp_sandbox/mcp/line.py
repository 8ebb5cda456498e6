"""What worker and supervisor say to each other; `mcp/frames.py` carries it."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from gmcp_sandbox.mcp.answers import Answer, At, Way

NOTHING: Final = msgspec.Raw(b"{}")
Subject = Literal["request", "result", "failure", "reverse", "reverse_result", "notice"]
"""The methods of `answers.Judge`."""


# ------------------------------------------------------------------------------------------------ worker → supervisor


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Locked down; begin."""


class Ask(msgspec.Struct, frozen=True, tag="ask", gc=False):
    """Judge a message. Answered by a `Verdict` of the same number."""

    number: int
    subject: Subject
    at: At
    method: str
    params: msgspec.Raw
    payload: msgspec.Raw = NOTHING
    way: Way = Way.UP


class Want(msgspec.Struct, frozen=True, tag="want"):
    """Connect a client session to its server: pipes of a new process, or a connection. Answered by descriptors of the
    same number, or by `Cannot`."""

    number: int
    at: At


class Release(msgspec.Struct, frozen=True, tag="release"):
    """What was wanted by this number is not used any more."""

    number: int


class Over(msgspec.Struct, frozen=True, tag="over"):
    """A client session has ended."""

    at: At


class Told(msgspec.Struct, frozen=True, tag="told"):
    """Something for the log that is no call."""

    name: Literal["mcp_broken", "mcp_refused", "mcp_timeout"]
    server: str
    what: str


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """A client session has begun."""

    at: At
    by: Literal["http", "lines"]


FromWorker = Ready | Ask | Want | Release | Over | Told | Begun

# ------------------------------------------------------------------------------------------------ supervisor → worker


class Server(msgspec.Struct, frozen=True):
    """What the worker has to know of a server: nothing of a command, its environment or its place.

    Attributes:
        url: None for one that speaks over pipes.
        headers: Of every request to its URL; the agent never sees them.
    """

    name: str
    url: str | None
    headers: tuple[tuple[str, str], ...]
    start_seconds: float
    call_seconds: float
    max_sessions: int
    message_bytes: int


class Setup(msgspec.Struct, frozen=True, tag="setup"):
    """The first frame.

    Attributes:
        hosts: By what names clients call the endpoint.
        origins: Of web pages that may call it.
        token: What a client has to show; None where the channel says who it is.
    """

    servers: tuple[Server, ...]
    hosts: tuple[str, ...]
    token: str | None = None
    origins: tuple[str, ...] = ()


class Verdict(msgspec.Struct, frozen=True, tag="verdict", gc=False):
    """The answer to an `Ask`."""

    number: int
    answer: Answer


class Cannot(msgspec.Struct, frozen=True, tag="cannot"):
    """The answer to a `Want` that cannot be met."""

    number: int
    why: str


FromSupervisor = Setup | Verdict | Cannot


class Handed(msgspec.Struct, frozen=True):
    """What comes with descriptors: a client's connection, or what was wanted.

    Attributes:
        number: Of the `Want`; 0 for a client.
        server: Of a client that speaks bare lines.
    """

    kind: Literal["http", "lines", "pipes", "socket"]
    number: int = 0
    server: str = ""
