"""Records as they are read back: one frozen value a line, or the one documented error.

Whatever a file holds, `decode` returns an entry or raises `AuditError`. An entry says what the line says; whether the
line is genuine is for `verify.py`.
"""

from __future__ import annotations

import json
from typing import Literal

import msgspec

from gmcp_sandbox.audit.encode import JSON
from gmcp_sandbox.errors import AuditError


class _Record(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    at: int
    hash: str = ""


class GenesisEntry(_Record, frozen=True, kw_only=True, tag="genesis"):
    """The first record of a session."""

    format: int
    session: str
    agent: str
    uid: int
    argv: tuple[str, ...]
    versions: dict[str, JSON]
    profile: dict[str, JSON]
    layers: tuple[str, ...]
    model: str | None
    probe: str
    host: dict[str, JSON]
    view: JSON = None
    key: str | None = None


class CallEntry(_Record, frozen=True, kw_only=True, tag="call", omit_defaults=True):
    """A decision; for a repeated one `ref` is the number of the record that it equals."""

    seq: int
    pid: int
    tool: str
    object: str
    args: dict[str, JSON]
    label: str
    outcome: Literal["allow", "deny"]
    layer: str | None = None
    reason: str | None = None
    score: float | None = None
    verdicts: int | tuple[JSON, ...]
    us: int
    epoch: int
    taint: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()
    extent: tuple[int, int] | None = None
    content: tuple[str, int] | None = None
    ref: int | None = None

    @property
    def telling(self) -> tuple[str | None, str | None]:
        """Layer and reason that stand out: of a denial, else of the last layer that says why (`ask_approved`)."""
        if self.layer is not None or isinstance(self.verdicts, int):
            return self.layer, self.reason
        named = [one for one in self.verdicts if isinstance(one, list) and len(one) > 2 and one[2] != f"{one[0]}.ok"]
        return (str(named[-1][0]), str(named[-1][2])) if named else (None, None)


class AgainEntry(_Record, frozen=True, kw_only=True, tag="again", omit_defaults=True):
    """A decision equal to the one of record `ref`."""

    seq: int
    pid: int
    ref: int
    us: int
    extent: tuple[int, int] | None = None
    content: tuple[str, int] | None = None


class EventEntry(_Record, frozen=True, kw_only=True, tag="event"):
    """Something that is no decision."""

    name: str
    data: dict[str, JSON]


class SegmentEntry(_Record, frozen=True, kw_only=True, tag="segment"):
    """The first record of a later file."""

    session: str
    index: int
    prev: str


class CheckpointEntry(_Record, frozen=True, kw_only=True, tag="checkpoint"):
    """A signature over all lines before it."""

    records: int
    signature: str


class SealEntry(_Record, frozen=True, kw_only=True, tag="seal"):
    """The last record of a session."""

    records: int
    allowed: int
    denied: int
    tools: dict[str, tuple[int, int]]
    outcome: dict[str, JSON]


RawEntry = GenesisEntry | CallEntry | AgainEntry | EventEntry | SegmentEntry | CheckpointEntry | SealEntry
Entry = GenesisEntry | CallEntry | EventEntry | SegmentEntry | CheckpointEntry | SealEntry
"""What a reader sees: repeats are resolved."""

_decoder: msgspec.json.Decoder[RawEntry] = msgspec.json.Decoder(RawEntry)


def decode(line: bytes) -> RawEntry:
    """Return what a line says.

    Raises:
        AuditError: It is no record.
    """
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _decode_surrogates(line)


def _decode_surrogates(line: bytes) -> RawEntry:
    """Decode with the standard library, which takes the lone surrogates that names of other bytes become."""
    try:
        entry: RawEntry = msgspec.convert(json.loads(line), RawEntry)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise AuditError("a line of the log is no record", cause=str(error)[:200]) from error
    return entry


def resolve(again: AgainEntry, first: CallEntry) -> CallEntry:
    """Return a repeat in full."""
    return msgspec.structs.replace(
        first,
        seq=again.seq,
        at=again.at,
        pid=again.pid,
        us=again.us,
        extent=again.extent,
        content=again.content,
        ref=again.ref,
        hash=again.hash,
    )
