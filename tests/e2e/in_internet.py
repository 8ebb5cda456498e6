"""Run a program as if the tests' internet were the only one: `in_internet.py PID FOLDER WHO -- PROGRAM ARG…`.

WHO is `root`, who may do everything there, or `user`: the one who started this, which makes a difference for an
ordinary user alone, whose internet lies in a user namespace.

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
from tests.e2e.upstream import as_uid

FILES = ("resolv.conf", "hosts", "nsswitch.conf", "passwd")


def main(words: list[str]) -> None:
    """Never returns."""
    pid, folder, who = words[:3]
    uid, here = os.geteuid(), os.getcwd()
    spaces = {kind: os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in ("user", "net")}
    if uid != 0:
        kernel.setns(spaces["user"], kernel.CLONE_NEWUSER)
    kernel.setns(spaces["net"], kernel.CLONE_NEWNET)
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(b"none", b"/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    for name in FILES:
        kernel.mount(
            os.fsencode(f"{folder}/{name}"), os.fsencode(os.path.realpath(f"/etc/{name}")), None, kernel.MS_BIND
        )
    if uid != 0 and who == "user":
        as_uid(uid)
    os.chdir(here)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as a shell starts programs; Python ignores it
    os.execvp(words[4], words[4:])


if __name__ == "__main__":
    main(sys.argv[1:])
