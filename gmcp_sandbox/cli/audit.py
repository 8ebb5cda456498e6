"""`audit verify` and `audit show`: prove that a record is whole; read it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gmcp_sandbox.audit.entries import Entry
    from gmcp_sandbox.audit.verify import Verification
    from gmcp_sandbox.cli.main import Subparsers
    from gmcp_sandbox.monitor.statedir import SessionDir

_WHICH = "a session (beginning of its id; default: the newest) or a log file or directory (with a slash or a dot)"


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("audit", help="verify and show the record of a session", allow_abbrev=False)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    verify = actions.add_parser("verify", help="prove that a log is whole: 0 it is, 1 it is broken", allow_abbrev=False)
    verify.add_argument("which", nargs="?", metavar="SESSION|FILE", help=_WHICH)
    verify.add_argument("--json", action="store_true", help="one JSON object")
    verify.set_defaults(run=run_verify)
    show = actions.add_parser("show", help="print the records of a log", allow_abbrev=False)
    show.add_argument("which", nargs="?", metavar="SESSION|FILE", help=_WHICH)
    show.add_argument("--json", action="store_true", help="JSON lines, repeats in full")
    show.add_argument("--limit", type=_count, metavar="N", help="only the last N")
    add_selection(show)
    show.set_defaults(run=run_show)


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose decisions; `tail` has them, too."""
    parser.add_argument("--denied", action="store_true", help="only denials")
    parser.add_argument("--tool", metavar="GLOB", help="only tools that match, for example 'fs.*'")
    parser.add_argument("--path", metavar="GLOB", help="only objects that match, for example '/home/*'")


def run_verify(args: argparse.Namespace) -> int:
    """Verify a log and say what was found."""
    from gmcp_sandbox.audit.encode import encode
    from gmcp_sandbox.audit.verify import verify

    path, session = locate(args.which)
    result = verify(path, session=session.id if session else None)
    note, is_cut = _state_of(result, session)
    if args.json:
        is_intact = result.is_intact and not is_cut
        print(encode({"state": result.state, "intact": is_intact, "note": note, **_facts(result)}).decode())
    else:
        print(_text(result, note))
    return 0 if result.is_intact and not is_cut else 1


def run_show(args: argparse.Namespace) -> int:
    """Print the records that the options choose."""
    import sys
    from collections import deque

    from gmcp_sandbox.audit.query import Selection, read
    from gmcp_sandbox.cli.format import json_line, text_line
    from gmcp_sandbox.cli.terminal import Painter

    path, _ = locate(args.which)
    entries: Iterable[Entry] = read(path, Selection(args.denied, args.tool, args.path))
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


def _state_of(result: Verification, session: SessionDir | None) -> tuple[str, bool]:
    """Return what an absent seal means, and whether it proves that the end was cut off."""
    from gmcp_sandbox.audit.verify import State

    if result.state is State.WHOLE or result.state is State.BROKEN:
        return "", False
    if session is None:
        return "no seal: the session runs, crashed, or the end of the log was cut off", False
    if session.is_running():
        return "no seal yet: the session is running", False
    meta = session.meta()
    if meta is not None and meta.ended_ns is not None:
        return "no seal, but the session ended in order: the end was cut off or could not be written", True
    return "no seal: the session crashed or was killed", False


def _facts(result: Verification) -> dict[str, object]:
    finding = result.finding
    return {
        "session": result.session,
        "records": result.records,
        "files": result.files,
        "last_hash": result.last_hash,
        "finding": None
        if finding is None
        else {"file": finding.file, "line": finding.line, "seq": finding.seq, "problem": finding.problem},
    }


def _text(result: Verification, note: str) -> str:
    from gmcp_sandbox.cli.terminal import visible

    files = "1 file" if result.files == 1 else f"{result.files} files"
    lines = [f"{result.state.value.upper()}  session {result.session or '?'}: {result.records} good records in {files}"]
    if result.finding is not None:
        lines.append(f"  {result.finding}")
    if note:
        lines.append(f"  {note}")
    return "\n".join(visible(line) for line in lines)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
