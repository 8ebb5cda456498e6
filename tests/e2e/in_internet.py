"""Run a program as if the tests' internet were the only one: `in_internet.py PID FOLDER -- PROGRAM ARG…`, as root.

The program is in the network namespace of PID, and sees FOLDER's resolv.conf, hosts, nsswitch.conf and passwd in the
place of the machine's own, in a private mount namespace that ends with it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gmcp_sandbox import kernel

FILES = ("resolv.conf", "hosts", "nsswitch.conf", "passwd")


def main(words: list[str]) -> None:
    """Never returns."""
    pid, folder = words[0], words[1]
    fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    here = os.getcwd()
    kernel.setns(fd, kernel.CLONE_NEWNET)
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(b"none", b"/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    for name in FILES:
        kernel.mount(
            os.fsencode(f"{folder}/{name}"), os.fsencode(os.path.realpath(f"/etc/{name}")), None, kernel.MS_BIND
        )
    os.chdir(here)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as a shell starts programs; Python ignores it
    os.execvp(words[3], words[3:])


if __name__ == "__main__":
    main(sys.argv[1:])
