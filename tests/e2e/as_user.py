"""Become an ordinary user in a private mount namespace, then run a program. Started as root, by path, for tests.

    as_user.py UID SCRATCH NEEDED:NEEDED… -- PROGRAM ARG…

The host is left as it is: everything below is mounted in this process's own namespace, and ends with it.

- /dev/fuse and /dev/net/tun can be opened by all, as on most machines.
- Directories of NEEDED (the repository, the interpreter) can be reached although they lie below somebody's closed home:
  the closed directory is replaced by a small tree in which nothing but them is shown.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gmcp_sandbox import kernel

DEVICES = (("/dev/fuse", 10, 229), ("/dev/net/tun", 10, 200))


def is_open(path: Path) -> bool:
    """True when everybody may look into a directory."""
    mode = path.stat().st_mode
    return not stat.S_ISDIR(mode) or mode & 0o005 == 0o005


def open_devices(scratch: str) -> None:
    """Bind nodes that everybody may open over those that they may not."""
    kernel.mount(b"tmpfs", scratch.encode(), b"tmpfs", 0, b"mode=0755")
    for number, (path, major, minor) in enumerate(DEVICES):
        if os.path.exists(path) and os.stat(path).st_mode & 0o006 != 0o006:
            node = f"{scratch}/{number}"
            os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
            os.chmod(node, 0o666)
            kernel.mount(node.encode(), path.encode(), None, kernel.MS_BIND)


def closed_above(path: Path) -> Path | None:
    """Return the topmost directory on the way to a path that is closed, the path itself included."""
    return next((each for each in (*reversed(path.parents), path) if not is_open(each)), None)


def make_reachable(needed: list[Path]) -> None:
    """Replace closed directories by trees that show what is needed below them."""
    plan: dict[Path, dict[Path, int]] = {}
    for path in needed:
        closed = closed_above(path)
        if closed is None:
            continue
        shown = list(path.iterdir()) if not is_open(path) else [path]
        for each in shown:
            if not each.is_symlink():
                plan.setdefault(closed, {})[each] = os.open(each, os.O_PATH)
    for closed, shown_below in plan.items():
        kernel.mount(b"tmpfs", os.fsencode(closed), b"tmpfs", 0, b"mode=0755")
        for path, fd in shown_below.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                path.mkdir(exist_ok=True)
            else:
                path.touch()
            kernel.mount(f"/proc/self/fd/{fd}".encode(), os.fsencode(path), None, kernel.MS_BIND | kernel.MS_REC)
            os.close(fd)


def main(words: list[str]) -> None:
    """Never returns."""
    uid, scratch, needed = int(words[0]), words[1], [Path(each) for each in words[2].split(":")]
    here = os.getcwd()
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(b"none", b"/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    open_devices(scratch)
    make_reachable(needed)
    os.chdir(here)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.execvp(words[4], words[4:])


if __name__ == "__main__":
    main(sys.argv[1:])
