"""`tail`: follow the decisions of a session while they are made."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gmcp_sandbox.cli.audit import add_selection, selection_of

if TYPE_CHECKING:
    from gmcp_sandbox.audit.query import Follower, Selection
    from gmcp_sandbox.cli.main import Subparsers
    from gmcp_sandbox.cli.terminal import Painter
    from gmcp_sandbox.monitor.statedir import SessionDir

LOOK_MS = 100
"""How often the log is looked at."""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "tail",
        help="follow the decisions of a session",
        description="Decisions as they are made, read from the logs: nothing is lost, no session waits for a reader.",
        epilog="Example: gmcp-sandbox tail --all --denied --tool 'net.*'",
        allow_abbrev=False,
    )
    parser.add_argument("session", nargs="?", metavar="SESSION", help="beginning of its id (default: the newest)")
    parser.add_argument("-a", "--all", action="store_true", help="all sessions, also those that start later")
    parser.add_argument("--agent", metavar="GLOB", help="with --all: only agents that match")
    parser.add_argument("--json", action="store_true", help="JSON lines")
    parser.add_argument("--from-start", action="store_true", help="show what was decided before, too")
    add_selection(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print decisions until the session's log is sealed, the session is gone, or Ctrl-C."""
    from gmcp_sandbox.cli.processes import stepping_back

    with stepping_back():
        return _follow(args)


def _follow(args: argparse.Namespace) -> int:
    import sys

    from gmcp_sandbox.audit.query import Follower
    from gmcp_sandbox.cli.processes import Watch
    from gmcp_sandbox.cli.terminal import Painter
    from gmcp_sandbox.monitor.statedir import StateDir

    selection = selection_of(args)
    painter = None if args.json else Painter(sys.stdout, args.color)
    if args.all or (args.agent is not None and args.session is None):
        return _follow_all(args, selection, painter)
    session = choose(StateDir.open().sessions(), args.session)
    with Watch(session) as watch:
        follower = Follower(str(session.path), from_start=args.from_start or watch.is_over)
        try:
            while not _show(follower, selection, painter) and not watch.is_over:
                watch.wait(LOOK_MS)
            is_sealed = _show(follower, selection, painter)
        except KeyboardInterrupt:
            return 0
        finally:
            follower.close()
    if not is_sealed:
        print(f"session {session.id} ended without a seal", file=sys.stderr)
    return 0


def _follow_all(args: argparse.Namespace, selection: Selection, painter: Painter | None) -> int:
    """Print the decisions of all sessions until Ctrl-C."""
    import sys
    import time

    from gmcp_sandbox.cli.following import Following
    from gmcp_sandbox.cli.format import json_of, text_line
    from gmcp_sandbox.monitor.statedir import StateDir

    following = Following(StateDir.open(), agent=args.agent, from_start=args.from_start)
    try:
        while True:
            for session, entry, note in following.poll():
                if entry is None:
                    print(f"session {session}: {note}", file=sys.stderr)
                elif selection.matches(entry):
                    line = json_of(entry, session=session) if painter is None else text_line(entry, painter)
                    if line is not None:
                        print(line if painter is None else f"{session}  {line}")
            sys.stdout.flush()
            time.sleep(LOOK_MS / 1000)  # noqa: TID251 - logs tell nobody that they grew
    except KeyboardInterrupt:
        return 0
    finally:
        following.close()


def choose(sessions: list[SessionDir], prefix: str | None) -> SessionDir:
    """Return the session whose id starts so, or the newest that runs.

    Raises:
        UsageError: There is none, or several start so.
    """
    from gmcp_sandbox.cli.processes import by_start
    from gmcp_sandbox.errors import UsageError

    if prefix is None:
        for session in reversed(by_start(sessions)):
            if session.is_running():
                return session
        raise UsageError("no session is running", hint="gmcp-sandbox audit show prints the newest")
    found = [session for session in sessions if prefix and session.id.startswith(prefix)]
    if len(found) != 1:
        raise UsageError(f"{len(found)} sessions start with {prefix!r}", hint="gmcp-sandbox ps --all")
    return found[0]


def _show(follower: Follower, selection: Selection, painter: Painter | None) -> bool:
    """Print what is new; return whether the log is sealed."""
    import sys

    from gmcp_sandbox.cli.format import json_line, text_line

    for entry in follower.poll():
        if selection.matches(entry):
            line = json_line(entry) if painter is None else text_line(entry, painter)
            if line is not None:
                print(line)
    sys.stdout.flush()
    return follower.is_sealed
