"""What a server sent is made fit to be delivered: credentials masked, hidden characters out, instructions found.

Guarantees: what is delivered is what was judged; a text that holds instructions has tainted the session, and that
stands in the record, before it is delivered. What cannot be judged is not delivered.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from gmcp_sandbox.calls.canonical import CanonicalError, canonical, parse_object
from gmcp_sandbox.mcp.answers import Answer, Pass, Refuse, Replace
from gmcp_sandbox.mcp.inspection import REMOVED, Masks, changed, texts_in, without_hidden
from gmcp_sandbox.pipeline.incoming import Incoming
from gmcp_sandbox.policy.mcp import Redaction

UNFIT = -32603
"""JSON-RPC's internal error: the server's answer is not delivered."""
_PIECES = 32
"""Texts of one result that are asked about one by one when instructions are to be taken out."""


class Reads(Protocol):
    """Who judges texts that come in."""

    async def judge_incoming(self, text: str, source: str, *, taints: bool = True) -> Incoming:
        """Judge a text for orders to its reader, record it, and taint the session."""


class Arrival(msgspec.Struct, frozen=True):
    """What is left of a message, and whether it is as it was."""

    value: dict[str, Any]
    is_same: bool


async def receive(reader: Reads, value: dict[str, Any], source: str, masks: Masks, redact: Redaction) -> Arrival:
    """Return what may be delivered of what a server sent.

    Raises:
        AuditError: It could not be recorded.
    """
    left, was_masked = masks.value(value)
    texts = [text for text in texts_in(left) if not text.isspace()]
    if not texts:
        return Arrival(left, not was_masked)
    found = await reader.judge_incoming("\n".join(texts), source)
    had_hidden = False
    if redact != "none":
        left, had_hidden = without_hidden(left)
    if found.is_hit and redact == "instructions":
        return Arrival(await _without_instructions(reader, left, source), False)
    return Arrival(left, not (was_masked or had_hidden))


async def _without_instructions(reader: Reads, value: dict[str, Any], source: str) -> dict[str, Any]:
    """Take out each text that holds instructions by itself; when it is none, or there are many, all longer ones."""
    texts = list(dict.fromkeys(text for text in texts_in(value) if " " in text))
    bad = set(texts)
    if len(texts) <= _PIECES:
        bad = {text for text in texts if (await reader.judge_incoming(text, source)).is_hit} or bad
    left: dict[str, Any] = changed(value, lambda text: REMOVED if text in bad else text)
    return left


def read_object(payload: bytes, longest: int) -> dict[str, Any] | Refuse:
    """Return the object that a server sent, or the answer in its place."""
    if len(payload) > longest:
        return Refuse(UNFIT, f"the server's answer is longer than the {longest} bytes that the profile allows")
    try:
        return parse_object(payload)
    except CanonicalError as fault:
        return Refuse(UNFIT, f"the server's answer cannot be judged: {fault}")


def answer_of(arrival: Arrival) -> Answer:
    """Return the answer that delivers what is left."""
    return Pass() if arrival.is_same else Replace(encoded(arrival.value))


def encoded(value: dict[str, Any]) -> bytes:
    """Return the bytes of what is passed on; half of a surrogate pair, which has none, becomes a question mark."""
    try:
        return canonical(value).encode("utf-8")
    except CanonicalError:
        return canonical(changed(value, lambda text: text.encode("utf-8", "replace").decode("utf-8"))).encode("utf-8")
