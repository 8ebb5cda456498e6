"""`exec --tail`: a process of its own that prints decisions to stderr while the agent runs.

It reads the log like any other reader, so that a slow or stopped terminal slows nothing down.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from typing import NoReturn

from gmcp_sandbox.monitor.statedir import SessionDir

LOOK_MS = 100


class LiveTail:
    """A running tail. Forked before the agent starts; ended by `finish`."""

    def __init__(self, session: SessionDir, colour: str) -> None:
        """Start it."""
        reader, self._over = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._over)
            _follow(session, colour, reader)
        os.close(reader)

    def finish(self) -> None:
        """Let it print what is left, and wait for its end."""
        os.close(self._over)
        os.waitpid(self._pid, 0)


def _follow(session: SessionDir, colour: str, over: int) -> NoReturn:
    """Print until the front says that all is over; never return."""
    from gmcp_sandbox.audit.query import Follower
    from gmcp_sandbox.cli.format import text_line
    from gmcp_sandbox.cli.processes import WATCHERS_NICE
    from gmcp_sandbox.cli.terminal import Painter

    os.nice(WATCHERS_NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    poller = select.poll()
    poller.register(over, select.POLLIN)
    painter = Painter(sys.stderr, colour)
    end = "\r\n" if sys.stderr.isatty() else "\n"  # the front may have made the terminal raw
    follower = None
    is_over = False
    try:
        while not is_over:
            is_over = bool(poller.poll(LOOK_MS))
            if follower is None and session.log.exists():
                follower = Follower(str(session.path), from_start=True)
            for entry in follower.poll() if follower is not None else ():
                line = text_line(entry, painter)
                if line is not None:
                    print(line, file=sys.stderr, end=end)
            sys.stderr.flush()
    finally:
        os._exit(0)
