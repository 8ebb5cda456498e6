"""`audit query`, `audit export` and `audit prune`: ask all logs at once, hand them on, and make room."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from gmcp_sandbox.audit.entries import CallEntry, Entry
    from gmcp_sandbox.audit.index import Condition, Index
    from gmcp_sandbox.monitor.statedir import StateDir

COLUMNS = (
    "time", "session", "agent", "seq", "pid", "tool", "object", "args", "label", "outcome", "layer", "reason", "score",
    "us", "epoch", "taint",
)  # fmt: skip
"""Of the CSV export."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def add_conditions(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose records over all sessions."""
    from gmcp_sandbox.cli.times import moment

    parser.add_argument("--session", metavar="ID", help="only this session (beginning of its id)")
    parser.add_argument("--agent", metavar="GLOB", help="only agents that match")
    parser.add_argument("--since", type=moment, metavar="TIME", help="30m, 2h, 7d ago, or 2026-01-31[T12:00[:00]]")
    parser.add_argument("--until", type=moment, metavar="TIME", help="up to then")
    parser.add_argument("--tool", metavar="GLOB", help="only tools that match, for example 'fs.*'")
    parser.add_argument("--path", metavar="GLOB", help="only calls on paths that match; `*` matches `/`, too")
    parser.add_argument("--host", metavar="GLOB", help="only calls to hosts that match")
    parser.add_argument("--label", metavar="GLOB", help="only objects with such a label")
    parser.add_argument("--layer", metavar="GLOB", help="only what this layer denied or asked about")
    parser.add_argument("--reason", metavar="GLOB", help="only this reason: 'trust.*', 'constitution.ask_approved', …")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--denied", dest="outcome", action="store_const", const="deny", help="only denials")
    chosen.add_argument("--allowed", dest="outcome", action="store_const", const="allow", help="only what was allowed")


def run_query(args: argparse.Namespace) -> int:
    """Print the records of all sessions that meet the conditions."""
    import sys

    from gmcp_sandbox.audit.index import NAME, Index
    from gmcp_sandbox.audit.recall import Recall
    from gmcp_sandbox.cli.format import json_of, text_line
    from gmcp_sandbox.cli.terminal import Painter
    from gmcp_sandbox.monitor.statedir import StateDir

    state = StateDir.open()
    condition = _condition(args, state)
    painter = Painter(sys.stdout, args.color)
    with Index(str(state.path / NAME)) as index, Recall(str(state.path / "sessions")) as recall:
        _bring_up_to_date(index, state)
        if args.count:
            print(index.count(condition))
            return 0
        for place in index.find(condition, newest=args.limit):
            entry = recall.decision(place)
            if args.json:
                print(json_of(entry, session=place.session))
            else:
                print(f"{place.session}  {text_line(entry, painter, with_date=True)}")
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Write whole logs, repeats in full, as JSON lines or CSV."""
    import sys

    from gmcp_sandbox.errors import UsageError

    if args.output is None:
        _export(args, sys.stdout)
        return 0
    try:
        with open(args.output, "x", encoding="utf-8", newline="") as file:
            _export(args, file)
    except OSError as error:
        raise UsageError(
            f"cannot write {args.output!r}: {error.strerror}", hint="name a file that is not there"
        ) from error
    return 0


def run_prune(args: argparse.Namespace) -> int:
    """Remove the logs of the oldest sessions that have ended, until what is left fits."""
    from gmcp_sandbox.monitor.retention import remove, surplus
    from gmcp_sandbox.monitor.statedir import StateDir

    state = StateDir.open()
    chosen = surplus(state, keep_bytes=args.keep_bytes, keep_days=args.keep_days)
    for session, size in chosen:
        print(f"{'would remove' if args.dry_run else 'removed'}  {session.id}  {size / (1 << 20):.1f} MiB")
        if not args.dry_run:
            remove(session)
    if not chosen:
        print("nothing to remove")
    return 0


def _condition(args: argparse.Namespace, state: StateDir) -> Condition:
    from gmcp_sandbox.audit.index import Condition

    return Condition(
        session=None if args.session is None else state.find(args.session).id,
        agent=args.agent,
        since_ns=args.since,
        until_ns=args.until,
        tool=args.tool,
        path=args.path,
        host=args.host,
        label=args.label,
        layer=args.layer,
        reason=args.reason,
        outcome=args.outcome,
    )


def _bring_up_to_date(index: Index, state: StateDir) -> None:
    """Take in what all logs have grown by; a log that cannot be read is said and left out."""
    import sys

    from gmcp_sandbox.errors import AuditError

    sessions = [session for session in state.sessions() if session.log.exists()]
    index.forget(frozenset(session.id for session in sessions))
    for session in sessions:
        try:
            index.take_in(session.id, str(session.path))
        except AuditError as error:
            print(f"session {session.id} is left out: {error}", file=sys.stderr)


def _export(args: argparse.Namespace, file: TextIO) -> None:
    rows = _rows(args)
    if args.format == "csv":
        _write_csv(rows, file)
        return
    from gmcp_sandbox.cli.format import json_of

    for session, _, entry in rows:
        file.write(json_of(entry, session=session) + "\n")


def _rows(args: argparse.Namespace) -> Iterator[tuple[str, str, Entry]]:
    """Return every entry of the chosen logs with its session and agent."""
    from gmcp_sandbox.audit.entries import GenesisEntry
    from gmcp_sandbox.audit.query import read
    from gmcp_sandbox.cli.audit import locate
    from gmcp_sandbox.monitor.statedir import StateDir

    paths: Iterable[str]
    if args.all:
        paths = [str(session.path) for session in StateDir.open().sessions() if session.log.exists()]
    else:
        paths = [locate(args.which)[0]]
    for path in paths:
        session = agent = ""
        for entry in read(path):
            if isinstance(entry, GenesisEntry):
                session, agent = entry.session, entry.agent
            yield session, agent, entry


def _write_csv(rows: Iterable[tuple[str, str, Entry]], file: TextIO) -> None:
    """Write the decisions as CSV (RFC 4180); a cell that a spreadsheet would take for a formula gets a quote before."""
    import csv

    from gmcp_sandbox.audit.entries import CallEntry
    from gmcp_sandbox.cli.terminal import visible

    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for session, agent, entry in rows:
        if isinstance(entry, CallEntry):
            cells = (visible(str(cell)) for cell in (_time(entry.at), session, agent, *_cells(entry)))
            writer.writerow(f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells)


def _cells(entry: CallEntry) -> tuple[object, ...]:
    from gmcp_sandbox.audit.encode import encode

    score = "" if entry.score is None else entry.score
    return (
        entry.seq, entry.pid, entry.tool, entry.object, encode(entry.args).decode(), entry.label, entry.outcome,
        entry.layer or "", entry.reason or "", score, entry.us, entry.epoch, " ".join(entry.taint),
    )  # fmt: skip


def _time(at_ns: int) -> str:
    import datetime

    try:
        return datetime.datetime.fromtimestamp(at_ns / 1e9, datetime.UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return str(at_ns)
