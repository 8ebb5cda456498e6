"""A request under way, and the small messages about it, which are made anew: no text in them passes unjudged."""

from __future__ import annotations

from typing import Any, Final, TypeGuard

import msgspec
import trio

from gmcp_sandbox.mcp.answers import ListFirst, Refuse
from gmcp_sandbox.mcp.messages import Failure, Id, Notification, Result, failure

FAILED: Final = -32000
"""JSON-RPC code of a call that the other side did not answer."""
CANCELLED: Final = "notifications/cancelled"
PROGRESS: Final = "notifications/progress"


class Underway:
    """A request that waits for its answer.

    Attributes:
        asker: The id that whoever asked has given it; None for one of ours.
        token: By which the asker wants to hear of progress. The other side is given the request's number.
        scope: Its deadline.
    """

    __slots__ = ("answer", "asker", "done", "is_cancelled", "scope", "seconds", "token")

    def __init__(self, asker: Id | None, params: bytes, seconds: float) -> None:
        self.asker = asker
        self.seconds = seconds
        self.token = _token(params)
        self.done = trio.Event()
        self.answer: Result | Failure | None = None
        self.is_cancelled = False
        self.scope = trio.CancelScope()

    def finish(self, answer: Result | Failure | None) -> None:
        """End the wait; only the first answer counts."""
        if not self.done.is_set():
            self.answer = answer
            self.done.set()

    def cancel(self) -> None:
        """Nobody wants the answer any more."""
        self.is_cancelled = True
        self.finish(None)

    def go_on(self) -> None:
        """Begin the time until the deadline, again."""
        self.scope.deadline = trio.current_time() + self.seconds


def said(text: bytes) -> dict[str, Any]:
    """Return what JSON text of ours says, an object."""
    return msgspec.json.decode(text, type=dict[str, Any])


def cancelled(identity: Id) -> Notification:
    """Return the word that a request is cancelled; its reason would be a text that nobody has judged."""
    return Notification(CANCELLED, msgspec.json.encode({"requestId": identity}))


def progress(told: dict[str, Any]) -> Notification:
    """Return what is told about progress, with its token and numbers, and words when there are any."""
    kept = {name: told[name] for name in ("progress", "total") if type(told.get(name)) in (int, float)}
    if "message" in told:
        kept["message"] = told["message"]
    return Notification(PROGRESS, msgspec.json.encode({"progressToken": told.get("progressToken"), **kept}))


def addressed(reply: Result | Failure, identity: Id) -> Result | Failure:
    """Return an answer as the answer to another request."""
    return Result(identity, reply.result) if isinstance(reply, Result) else Failure(identity, reply.error)


def refusal(identity: Id, judged: Refuse | ListFirst) -> Failure:
    """Return the answer to a request that is refused."""
    if isinstance(judged, Refuse):
        return failure(identity, judged.code, judged.message, judged.data)
    return failure(identity, FAILED, "gmcp-sandbox: no judgement")


def is_id(value: Any) -> TypeGuard[Id]:
    """True for what can be an id or a token."""
    return type(value) in (int, str)


def numbered(params: bytes, number: int) -> bytes:
    """Return params with the request's number as token of its progress, where there is one.

    A client's own token would be a text to the server that nobody has judged.
    """
    if _token(params) is None:
        return params
    given = said(params)
    return msgspec.json.encode({**given, "_meta": {"progressToken": number}})


def known_code(error: bytes) -> int:
    """Return the code of an error when it is one of JSON-RPC's, or the SDK's -1; any other number says too much."""
    code = said(error)["code"]
    return code if code == -1 or -32768 <= code <= -32000 else FAILED


def _token(params: bytes) -> Any:
    meta = said(params).get("_meta") if b'"_meta"' in params else None
    token = meta.get("progressToken") if type(meta) is dict else None
    return token if is_id(token) else None
