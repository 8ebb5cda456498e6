"""`ps`: list the sessions that run, or all that left a log."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gmcp_sandbox.cli.main import Subparsers
    from gmcp_sandbox.monitor.statedir import Meta, SessionDir


_HEADER = ("SESSION", "STATE", "AGENT", "PROFILE", "PID", "STARTED", "CALLS/S", "DENIED", "ASKS", "TAINT", "COMMAND")
_PATIENCE_SECONDS = 0.5


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "ps", help="list sessions", allow_abbrev=False, epilog="Example: gmcp-sandbox ps --all"
    )
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
        live = _live(session) if state == "running" else {}
        if args.json:
            print(encode({**_facts(session, meta, state), **({"live": live} if live else {})}).decode())
        else:
            rows.append(_row(session, meta, state, live))
    if rows:
        print("\n".join(columns([_HEADER, *rows])))
    return 0


def _live(session: SessionDir) -> dict[str, Any]:
    """Return what a running session says of itself; nothing when it is too busy to answer at once."""
    from gmcp_sandbox.client import Client
    from gmcp_sandbox.errors import SandboxError

    try:
        with Client(str(session.path), timeout=_PATIENCE_SECONDS) as client:
            return client.status()
    except (SandboxError, ValueError):
        return {}


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


def _row(session: SessionDir, meta: Meta, state: str, live: dict[str, Any]) -> tuple[str, ...]:
    from gmcp_sandbox.audit.redact import redact_words
    from gmcp_sandbox.cli.terminal import visible

    words = (meta.agent, meta.profile, str(meta.supervisor.pid), _date(meta.started_ns))
    command = " ".join(redact_words(meta.argv))
    return (session.id, state, *(visible(word) for word in words), *_figures(live), visible(command))


def _figures(live: dict[str, Any]) -> tuple[str, ...]:
    """Return calls a second, denials so far, open questions and taint; dashes where nobody says so."""
    if not live:
        return ("-",) * 4
    calls = live["allowed_per_second"] + live["denied_per_second"]
    return (f"{calls:.0f}", str(live["denied"]), str(live["asks"]), ",".join(live["taint"]) or "-")


def _date(at_ns: int) -> str:
    import datetime

    try:
        moment = datetime.datetime.fromtimestamp(at_ns // 1_000_000_000).astimezone()
    except (ValueError, OverflowError, OSError):
        return str(at_ns)
    return f"{moment:%Y-%m-%d %H:%M:%S}"
