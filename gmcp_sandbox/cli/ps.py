"""`ps`: list the sessions that run, or all that left a log."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gmcp_sandbox.cli.main import Subparsers
    from gmcp_sandbox.monitor.statedir import Meta, SessionDir


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser("ps", help="list sessions", allow_abbrev=False)
    parser.add_argument("-a", "--all", action="store_true", help="those that ended, too")
    parser.add_argument("--json", action="store_true", help="JSON lines")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the sessions, the oldest first."""
    from gmcp_sandbox.audit.encode import encode
    from gmcp_sandbox.cli.processes import by_start
    from gmcp_sandbox.cli.terminal import columns
    from gmcp_sandbox.monitor.statedir import StateDir

    rows = []
    for session in by_start(StateDir.open().sessions()):
        meta = session.meta()
        state = _state(session, meta)
        if meta is None or not (args.all or state == "running"):
            continue
        if args.json:
            print(encode(_facts(session, meta, state)).decode())
        else:
            rows.append(_row(session, meta, state))
    if rows:
        print("\n".join(columns([("SESSION", "STATE", "AGENT", "PROFILE", "PID", "STARTED", "COMMAND"), *rows])))
    return 0


def _state(session: SessionDir, meta: Meta | None) -> str:
    if session.is_running():
        return "running"
    if meta is None or meta.ended_ns is None:
        return "crashed"
    return "ended"


def _facts(session: SessionDir, meta: Meta, state: str) -> dict[str, object]:
    return {
        "session": session.id,
        "state": state,
        "agent": meta.agent,
        "profile": meta.profile,
        "pid": meta.supervisor.pid,
        "started_ns": meta.started_ns,
        "ended_ns": meta.ended_ns,
        "exit_code": meta.exit_code,
        "workspace": meta.workspace,
        "argv": list(meta.argv),
    }


def _row(session: SessionDir, meta: Meta, state: str) -> tuple[str, ...]:
    from gmcp_sandbox.audit.redact import redact_words
    from gmcp_sandbox.cli.terminal import visible

    words = (meta.agent, meta.profile, str(meta.supervisor.pid), _date(meta.started_ns))
    command = " ".join(redact_words(meta.argv))
    return (session.id, state, *(visible(word) for word in words), visible(command))


def _date(at_ns: int) -> str:
    import datetime

    try:
        moment = datetime.datetime.fromtimestamp(at_ns // 1_000_000_000).astimezone()
    except (ValueError, OverflowError, OSError):
        return str(at_ns)
    return f"{moment:%Y-%m-%d %H:%M:%S}"
