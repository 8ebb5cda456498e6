"""One line for each record of a log, for people: time, ALLOW or DENY, tool, latency, object, reason.

Invariants:
- A record is one line, whatever its names hold.
- DENY is always a word; colour repeats it.
"""

from __future__ import annotations

import datetime
import shlex
from functools import lru_cache

from gmcp_sandbox.audit.encode import JSON, encode
from gmcp_sandbox.audit.entries import CallEntry, Entry, EventEntry, GenesisEntry, SealEntry
from gmcp_sandbox.cli.terminal import Painter, visible

_TOOL_WIDTH = 12
_LATENCY_WIDTH = 6


def json_line(entry: Entry) -> str:
    """Return a record as JSON in ASCII."""
    return encode(entry).decode("ascii")


def json_of(entry: Entry, *, session: str) -> str:
    """Return a record as JSON in ASCII, with the session that it is of."""
    return f'{{"session":{encode(session).decode("ascii")},{json_line(entry)[1:]}'


def text_line(entry: Entry, painter: Painter, *, with_date: bool = False) -> str | None:
    """Return a record for people; None for what is of no interest to them."""
    if isinstance(entry, CallEntry):
        return date_of(entry.at) * with_date + _decision(entry, painter)
    if isinstance(entry, GenesisEntry):
        what = f"session {entry.session}, agent {entry.agent}, profile {entry.profile.get('name')}, "
        return _other(entry.at, "START", what + f"probe: {entry.probe} · {' '.join(entry.argv)}", painter)
    if isinstance(entry, SealEntry):
        counts = f"{entry.allowed} allowed, {entry.denied} denied"
        return _other(entry.at, "END", f"{counts} · {_pairs(entry.outcome)}", painter)
    if isinstance(entry, EventEntry) and entry.name != "rotate":
        return _other(entry.at, "EVENT", f"{entry.name} {_pairs(entry.data)}".rstrip(), painter)
    return None


def clock_time(at_ns: int) -> str:
    """Return the local time of day, or the bare number when it is no time."""
    second = _second(at_ns // 1_000_000_000)
    return str(at_ns) if second is None else f"{second}.{at_ns % 1_000_000_000 // 1_000_000:03d}"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str | None:
    """Return the local time of day, None when it is no time; a busy session has thousands of records in one second."""
    try:
        return f"{datetime.datetime.fromtimestamp(seconds).astimezone():%H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return None


def date_of(at_ns: int) -> str:
    """Return the local date with a space after it, or nothing when it is no time."""
    try:
        return f"{datetime.datetime.fromtimestamp(at_ns // 1_000_000_000).astimezone():%Y-%m-%d} "
    except (ValueError, OverflowError, OSError):
        return ""


def _decision(entry: CallEntry, painter: Painter) -> str:
    is_denied = entry.outcome == "deny"
    word = painter.paint("DENY ", "red") if is_denied else painter.paint("ALLOW", "green")
    latency = f"{entry.us} µs".rjust(_LATENCY_WIDTH + 3)
    line = f"{clock_time(entry.at)}  {word}  {visible(entry.tool):{_TOOL_WIDTH}} {latency}  {visible(entry.object)}"
    line += visible(_arguments(entry.args))
    if is_denied:
        line += "  " + painter.paint(visible(_reason(entry)), "yellow")
    elif entry.telling[1] is not None:
        line += "  " + painter.paint(visible(_reason(entry)), "dim")
    return line


def _arguments(args: dict[str, JSON]) -> str:
    """Return what tells two calls on one object apart at a glance."""
    argv = args.get("argv")
    if isinstance(argv, list):
        return f"  [{shlex.join(map(str, argv))}]"
    if "target" in args:
        return f" -> {args['target']}"
    if "method" in args:
        return f":{args.get('port')}  {args['method']} {args.get('path')}"
    if args.get("port") is not None:
        return f":{args['port']}" + (f" ({args['protocol']})" if "protocol" in args else "")
    kind = next((args[name] for name in ("op", "kind", "qtype", "protocol") if args.get(name)), None)
    return f" ({kind})" if kind else ""


def _reason(entry: CallEntry) -> str:
    layer, reason = entry.telling
    reason = reason or "denied"
    verdicts = entry.verdicts if isinstance(entry.verdicts, tuple) else ()
    details = [one[3] for one in verdicts if isinstance(one, list) and len(one) > 3 and one[0] == layer]
    text = f"{reason}: {details[-1]}" if details and details[-1] else reason
    return text if entry.score is None else f"{text}, score {entry.score:.2f}"


def _other(at_ns: int, word: str, what: str, painter: Painter) -> str:
    return f"{clock_time(at_ns)}  {painter.paint(word.ljust(5), 'bold')}  {visible(what)}"


def _pairs(data: dict[str, JSON]) -> str:
    return ", ".join(f"{key} {value}" for key, value in data.items())
