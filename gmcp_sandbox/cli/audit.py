"""`audit`: the record of sessions. Here are its actions and `show`; see `audit_verify` and `audit_query`, too."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gmcp_sandbox.cli.times import count, size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gmcp_sandbox.audit.entries import Entry
    from gmcp_sandbox.audit.query import Selection
    from gmcp_sandbox.cli.main import Subparsers
    from gmcp_sandbox.monitor.statedir import SessionDir

KEEP_BYTES = 4 << 30
"""What all logs together may take before the oldest go."""
_WHICH = "a session (beginning of its id; default: the newest) or a log file or directory (with a slash or a dot)"


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "audit",
        help="verify, show and query the record of sessions",
        allow_abbrev=False,
        epilog="Example: gmcp-sandbox audit verify   (is the newest session's log whole?)",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _register_proofs(actions)
    _register_questions(actions)
    _register_upkeep(actions)


def _register_proofs(actions: Subparsers) -> None:
    from gmcp_sandbox.cli import audit_verify

    verify = actions.add_parser(
        "verify",
        help="prove that a log is whole: 0 it is, 1 it is broken",
        allow_abbrev=False,
        epilog="Example: gmcp-sandbox audit verify 7f3a",
    )
    verify.add_argument("which", nargs="?", metavar="SESSION|FILE", help=_WHICH)
    verify.add_argument("--key", metavar="HEX|FILE", help="public key that must have signed it (see `audit key`)")
    verify.add_argument("--json", action="store_true", help="one JSON object")
    verify.set_defaults(run=audit_verify.run_verify)
    key = actions.add_parser(
        "key",
        help="print the public key that your logs are signed with",
        allow_abbrev=False,
        epilog="Example: gmcp-sandbox audit key > me.pub   (then elsewhere: audit verify ./logs/7f3a2b1c --key me.pub)",
    )
    key.set_defaults(run=audit_verify.run_key)


def _register_questions(actions: Subparsers) -> None:
    from gmcp_sandbox.cli import audit_query

    show = actions.add_parser(
        "show",
        help="print the records of a log",
        allow_abbrev=False,
        epilog="Example: gmcp-sandbox audit show 7f3a --denied",
    )
    show.add_argument("which", nargs="?", metavar="SESSION|FILE", help=_WHICH)
    show.add_argument("--json", action="store_true", help="JSON lines, repeats in full")
    show.add_argument("--limit", type=count, metavar="N", help="only the last N")
    add_selection(show)
    show.set_defaults(run=run_show)
    query = actions.add_parser(
        "query",
        help="find decisions in all logs",
        allow_abbrev=False,
        epilog="Example: gmcp-sandbox audit query --since 7d --denied --path '*/.ssh/*'",
    )
    audit_query.add_conditions(query)
    query.add_argument("--limit", type=count, metavar="N", help="only the last N")
    query.add_argument("--count", action="store_true", help="print how many there are")
    query.add_argument("--json", action="store_true", help="JSON lines")
    query.set_defaults(run=audit_query.run_query)


def _register_upkeep(actions: Subparsers) -> None:
    from gmcp_sandbox.cli import audit_query

    export = actions.add_parser(
        "export",
        help="write logs as JSON lines or CSV",
        allow_abbrev=False,
        epilog="Example: gmcp-sandbox audit export --all --format csv -o calls.csv",
    )
    export.add_argument("which", nargs="?", metavar="SESSION|FILE", help=_WHICH)
    export.add_argument("--all", action="store_true", help="every session")
    export.add_argument("--format", choices=("jsonl", "csv"), default="jsonl", help="default: jsonl")
    export.add_argument("-o", "--output", metavar="FILE", help="a new file (default: standard output)")
    export.set_defaults(run=audit_query.run_export)
    prune = actions.add_parser(
        "prune",
        help="remove the logs of the oldest ended sessions",
        allow_abbrev=False,
        epilog="Example: gmcp-sandbox audit prune --keep-bytes 1GiB --dry-run",
    )
    prune.add_argument("--keep-bytes", type=size, default=KEEP_BYTES, metavar="SIZE", help="default: 4GiB")
    prune.add_argument("--keep-days", type=count, metavar="N", help="remove what ended before, whatever its size")
    prune.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    prune.set_defaults(run=audit_query.run_prune)


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose decisions; `tail` has them, too."""
    parser.add_argument("--denied", action="store_true", help="only denials")
    parser.add_argument("--tool", metavar="GLOB", help="only tools that match, for example 'fs.*'")
    parser.add_argument("--path", metavar="GLOB", help="only objects that match, for example '/home/*'")
    parser.add_argument("--host", metavar="GLOB", help="only calls to hosts that match, for example '*.example.com'")
    parser.add_argument("--layer", metavar="GLOB", help="only what this layer denied, for example constitution")


def selection_of(args: argparse.Namespace) -> Selection:
    """Return what the options of `add_selection` choose."""
    from gmcp_sandbox.audit.query import Selection

    return Selection(args.denied, args.tool, args.path, args.host, args.layer)


def run_show(args: argparse.Namespace) -> int:
    """Print the records that the options choose."""
    import sys
    from collections import deque

    from gmcp_sandbox.audit.query import read
    from gmcp_sandbox.cli.format import json_line, text_line
    from gmcp_sandbox.cli.terminal import Painter

    path, _ = locate(args.which)
    entries: Iterable[Entry] = read(path, selection_of(args))
    if args.limit is not None:
        entries = deque(entries, maxlen=args.limit)
    painter = Painter(sys.stdout, args.color)
    for entry in entries:
        line = json_line(entry) if args.json else text_line(entry, painter)
        if line is not None:
            print(line)
    return 0


def locate(which: str | None) -> tuple[str, SessionDir | None]:
    """Return the path of a log, and its session where it is one of this user's.

    Raises:
        UsageError: There is no such session or file.
    """
    import os

    from gmcp_sandbox.cli.processes import by_start
    from gmcp_sandbox.errors import UsageError
    from gmcp_sandbox.monitor.statedir import StateDir

    if which is not None and ("/" in which or "." in which):
        if not os.path.exists(which):
            raise UsageError(f"there is no file {which!r}")
        return which, None
    state = StateDir.open()
    if which is not None:
        session = state.find(which)
    else:
        sessions = [one for one in by_start(state.sessions()) if one.log.exists()]
        if not sessions:
            raise UsageError("there is no session yet", hint="gmcp-sandbox exec agent.py")
        session = sessions[-1]
    return str(session.path), session
