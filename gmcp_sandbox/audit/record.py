"""What a record says, as the bytes that are chained (bodies, see `chain.py`).

Kinds: `genesis` (first line of a session), `call` (a decision in full), `again` (a decision equal to an earlier one, by
reference), `event`, `segment` (first line of a later file), `checkpoint` (a signature over all lines before it), `seal`
(the end; in a signed log one checkpoint follows it).

Guarantees:
- No content, ever: a digest and a length stand for it. No environment. What looks like a secret is redacted.
- A line is printable ASCII and shorter than `MAX_LINE`, whatever an agent asks for.

Layout of the verdicts of a `call`: when all layers that the genesis names allowed plainly, their number. Else a list,
in which a layer that plainly allowed is its name, and any other verdict is `[layer, outcome, reason, detail, score]`,
shortened at the end where nothing follows.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence

import msgspec

from gmcp_sandbox.audit.encode import JSON, encode
from gmcp_sandbox.audit.redact import OBJECT_CHARS, content_digest, redact, redact_json, redact_words, shorten
from gmcp_sandbox.calls.arguments import Arguments
from gmcp_sandbox.calls.call import ToolCall
from gmcp_sandbox.calls.tools import Tool
from gmcp_sandbox.calls.verdicts import Decision, Layer, Outcome, Verdict

FORMAT = 2
"""2: the genesis names a key, checkpoints are signed."""
MAX_LINE = 1 << 20
MAX_EVENT = 32 << 10
MAX_SEAL = 8 << 10
DETAIL_CHARS = 1024
NO_VERDICT = "pipeline.incomplete"
"""Reason of a denial that no layer gave: not all of them answered."""

_PLAIN = frozenset(f"{layer}.ok" for layer in Layer)
_ALLOW = Outcome.ALLOW
_TOOLS = {tool: b'"tool":"%b"' % tool.value.encode() for tool in Tool}
_FILE_TOOLS = frozenset(tool for tool in Tool if tool.value.startswith("fs."))
_KNOWN = 1024
"""How many byte strings each memo keeps."""


class Genesis(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for a whole session.

    Attributes:
        session: Session id.
        agent: Name of the agent.
        argv: What was started; redacted when it is written.
        started_ns: Nanoseconds since the epoch.
        uid: Of the user outside.
        profile: Name of the profile.
        profile_digest: Of its canonical form.
        ceiling: Digest of the organisation's ceiling that bounds it; None when there is none.
        layers: Names of the layers that must answer, in order.
        model_digest: Of the probe's model; None when there is none.
        key: Public key of the checkpoints, hex; None for a log that is not signed.
        versions: Of this product (`gmcp-sandbox`), `python`, `kernel`, and what else matters.
        host: What the host really enforces.
        view: Summary of what the agent sees.
    """

    session: str
    agent: str
    argv: tuple[str, ...]
    started_ns: int
    uid: int
    profile: str
    profile_digest: str
    ceiling: str | None = None
    layers: tuple[str, ...]
    model_digest: str | None = None
    key: str | None = None
    versions: Mapping[str, str]
    host: Mapping[str, JSON]
    view: JSON = None


def genesis_body(genesis: Genesis) -> bytes:
    """Return the body of the first line of a session."""
    fields: dict[str, JSON] = {
        "kind": "genesis",
        "format": FORMAT,
        "session": genesis.session,
        "agent": genesis.agent,
        "at": genesis.started_ns,
        "uid": genesis.uid,
        "argv": redact_words(genesis.argv),
        "versions": dict(genesis.versions),
        "profile": {
            "name": genesis.profile,
            "digest": genesis.profile_digest,
            **({} if genesis.ceiling is None else {"ceiling": genesis.ceiling}),
        },
        "layers": list(genesis.layers),
        "model": genesis.model_digest,
        "probe": "no model" if genesis.model_digest is None else "model",
        "host": dict(genesis.host),
        "view": genesis.view,
        "key": genesis.key,
    }
    return _open(fields)


def segment_body(session: str, index: int, previous: bytes, at_ns: int) -> bytes:
    """Return the body of the first line of a later file; `previous` is the last hash of the file before."""
    return _open({"kind": "segment", "session": session, "index": index, "at": at_ns, "prev": previous.hex()})


def event_body(name: str, at_ns: int, data: Mapping[str, JSON]) -> bytes:
    """Return the body of an event; data that is too long is left out, and that is said."""
    body = _open({"kind": "event", "name": name, "at": at_ns, "data": dict(data)})
    if len(body) > MAX_EVENT:
        body = _open({"kind": "event", "name": name[:64], "at": at_ns, "data": {"left_out": len(body)}})
    return body


def checkpoint_body(at_ns: int, records: int, signature: bytes) -> bytes:
    """Return the body of a checkpoint: the signature of the `statement` about the lines before it."""
    return b'{"kind":"checkpoint","at":%d,"records":%d,"signature":"%b"' % (at_ns, records, signature.hex().encode())


def seal_body(at_ns: int, records: int, totals: Mapping[str, Sequence[int]], outcome: Mapping[str, JSON]) -> bytes:
    """Return the body of the last line: lines before it, allowed and denied by tool, how the session ended."""
    fields: dict[str, JSON] = {
        "kind": "seal",
        "at": at_ns,
        "records": records,
        "allowed": sum(counts[0] for counts in totals.values()),
        "denied": sum(counts[1] for counts in totals.values()),
        "tools": {tool: list(counts) for tool, counts in totals.items()},
        "outcome": dict(outcome),
    }
    body = _open(fields)
    if len(body) > MAX_SEAL:
        body = _open({**fields, "outcome": {"left_out": len(body)}})
    return body


def again_body(call: ToolCall, ref: int, latency_ns: int) -> bytes:
    """Return the body of a decision that equals record `ref` in all but time, process, extent and content."""
    body = b'{"kind":"again","seq":%d,"at":%d,"pid":%d,"ref":%d,"us":%d' % (
        call.seq,
        call.at_ns,
        call.pid,
        ref,
        latency_ns // 1000,
    )
    if call.extent is None and call.content is None:
        return body
    return body + _extent_and_content(call)


def call_body(decision: Decision, latency_ns: int) -> bytes:
    """Return the body of a decision in full."""
    call = decision.call
    is_file = call.tool in _FILE_TOOLS
    named = call.object if is_file else redact(call.object)
    body = b'{"kind":"call","seq":%d,"at":%d,"pid":%d,%b,"object":%b,"args":%b,%b,"us":%d,"epoch":%d' % (
        call.seq,
        call.at_ns,
        call.pid,
        _TOOLS[call.tool],
        encode(named if len(named) <= OBJECT_CHARS else shorten(named)),
        _arguments(call.args, is_file),
        _label_and_verdicts(decision),
        latency_ns // 1000,
        decision.epoch,
    )
    if decision.taint:
        body += b',"taint":%b' % encode(decision.taint)
    if call.derived:
        body += b',"derived":%b' % encode([label.name for label in call.derived])
    if call.extent is None and call.content is None:
        return body
    return body + _extent_and_content(call)


def _extent_and_content(call: ToolCall) -> bytes:
    part = b""
    if call.extent is not None:
        part = b',"extent":[%d,%d]' % call.extent
    if call.content is not None:
        part += b',"content":["%b",%d]' % (content_digest(call.content).encode(), len(call.content))
    return part


_known_verdicts: dict[str, tuple[tuple[Verdict, ...], bytes]] = {}


def _label_and_verdicts(decision: Decision) -> bytes:
    """Return label, outcome and verdicts. Plain allows come from few objects: keep the latest bytes of each label."""
    label = decision.call.label.name
    known = _known_verdicts.get(label)
    if known is not None and known[0] == decision.verdicts and decision.outcome is _ALLOW:
        return known[1]
    named = b'"label":%b,' % encode(label)
    if decision.outcome is not _ALLOW:
        return named + _denial(decision)
    is_plain = all(map(_is_plain, decision.verdicts))
    shown: JSON = len(decision.verdicts) if is_plain else [_verdict(v) for v in decision.verdicts]
    part = named + b'"outcome":"allow","verdicts":%b' % encode(shown)
    if len(_known_verdicts) >= _KNOWN:
        _known_verdicts.clear()
    _known_verdicts[label] = (decision.verdicts, part)
    return part


def _denial(decision: Decision) -> bytes:
    why = decision.deciding
    denial: dict[str, JSON] = {"outcome": "deny", "layer": None, "reason": NO_VERDICT}
    if why is not None:
        denial |= {"layer": why.layer.value, "reason": why.reason}
        if why.score is not None and math.isfinite(why.score):
            denial["score"] = why.score
    denial["verdicts"] = [_verdict(verdict) for verdict in decision.verdicts]
    return encode(denial)[1:-1]


def _is_plain(verdict: Verdict) -> bool:
    return verdict.outcome is _ALLOW and verdict.reason in _PLAIN and not verdict.detail and verdict.score is None


def _verdict(verdict: Verdict) -> JSON:
    if _is_plain(verdict):
        return verdict.layer.value
    short: list[JSON] = [verdict.layer.value, verdict.outcome.value, verdict.reason]
    has_score = verdict.score is not None and math.isfinite(verdict.score)
    if verdict.detail or has_score:
        short.append(redact(verdict.detail, DETAIL_CHARS))
    if has_score:
        short.append(verdict.score)
    return short


_known_arguments: dict[Arguments, bytes] = {}


def _arguments(args: Arguments, is_file: bool) -> bytes:
    """Return the arguments that differ from their defaults. Those of file tools repeat endlessly: keep their bytes."""
    if not is_file:
        return encode(_shown_arguments(args, is_file))
    known = _known_arguments.get(args)
    if known is None:
        known = encode(_shown_arguments(args, is_file))
        if len(_known_arguments) >= _KNOWN:
            _known_arguments.clear()
        _known_arguments[args] = known
    return known


@functools.cache
def _fields(kind: type[Arguments]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)  # it reads annotations, for hundreds of microseconds


def _shown_arguments(args: Arguments, is_file: bool) -> dict[str, JSON]:
    shown: dict[str, JSON] = {}
    for field in _fields(type(args)):
        value = getattr(args, field.name)
        if value == field.default:
            continue
        if isinstance(value, str):
            value = shorten(value) if is_file else redact_json(value) if field.name == "arguments" else redact(value)
        elif isinstance(value, tuple):
            value = redact_words(value)
        shown[field.name] = value
    return shown


def _open(fields: Mapping[str, JSON]) -> bytes:
    """Return the object without its closing brace, so that the hash can follow."""
    return encode(fields)[:-1]
