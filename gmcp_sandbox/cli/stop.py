"""`stop`: end a running session in order, and by force only when told so."""

from __future__ import annotations

import argparse
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gmcp_sandbox.cli.main import Subparsers

_KILLED_MS = 5000
"""After SIGKILL the kernel alone ends the process."""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "stop", help="end a running session", allow_abbrev=False, epilog="Example: gmcp-sandbox stop 7f3a --timeout 30"
    )
    parser.add_argument("session", metavar="SESSION", help="beginning of its id")
    parser.add_argument("--kill", action="store_true", help="kill its supervisor when it has not ended in time")
    parser.add_argument(
        "--timeout", type=_seconds, default=10.0, metavar="SECONDS", help="how long to wait (default: 10)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask the session to end, wait, and return 0 when it has."""
    from gmcp_sandbox.cli.processes import Watch
    from gmcp_sandbox.errors import HostError, UsageError
    from gmcp_sandbox.monitor.statedir import StateDir

    session = StateDir.open().find(args.session)
    with Watch(session) as watch:
        if watch.is_over:
            raise UsageError(f"session {session.id} is not running", hint="gmcp-sandbox ps")
        try:
            watch.send(signal.SIGTERM)
            if watch.wait(round(args.timeout * 1000)):
                return 0
            if args.kill:
                watch.send(signal.SIGKILL)
                if watch.wait(_KILLED_MS):
                    return 0
        except PermissionError:
            raise HostError(f"session {session.id} belongs to another user") from None
    what = f"session {session.id} has not ended within {args.timeout:g} seconds"
    raise HostError(what, hint="" if args.kill else f"gmcp-sandbox stop --kill {session.id}")


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 86400:
        raise argparse.ArgumentTypeError("must lie between 0 and 86400")
    return number
