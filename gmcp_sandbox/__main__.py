"""The program: `gmcp-sandbox`, and `python -m gmcp_sandbox` alike.

Where it is started is where an agent has worked, most often: no module is looked for there. Python itself has looked
already for what it needs to start, and for this package; with `-m`, or with PYTHONPATH set, in an untrusted directory,
that is out of our hands.
"""

from __future__ import annotations

import sys


def start() -> int:
    """Run the command line; return the exit status."""
    forget_working_directory()
    from gmcp_sandbox.cli.main import main

    return main()


def forget_working_directory() -> None:
    """Take the working directory and what lies below it out of Python's search path, but for installed environments."""
    import os

    try:
        here = os.getcwd()
    except OSError:  # it was removed: nothing can be found there
        here = os.devnull
    installed = tuple(prefix + os.sep for prefix in (sys.prefix, sys.base_prefix) if prefix != here)
    sys.path[:] = [
        entry
        for entry in sys.path
        if os.path.isabs(entry) and (entry.startswith(installed) or not f"{entry}/".startswith(here + "/"))
    ]


if __name__ == "__main__":
    sys.exit(start())
