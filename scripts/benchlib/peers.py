"""Other sandboxes, each told to do the same work under the nearest equal rules; those that are installed get a column.

The rules: the host's files read-only, the workspace writable, a /tmp to write to, processes of its own, no network, no
new privileges. None of them judges or records anything, so they show what such a boundary costs by itself.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Words = tuple[str, ...]

_SDK = """
import sys
from sandlock import Sandbox
box = Sandbox(fs_readable=["/"], fs_writable=[sys.argv[1], "/tmp", "/dev"])
sys.exit(box.run_interactive(sys.argv[2:]))
"""
"""What a user of sandlock's library writes."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another sandbox.

    Attributes:
        rules: What is different with it, for the report.
        find: The program and words that start it, None where it is not installed.
        prefix: Those and a workspace → the words before a program's own.
        version: The words that make it say its version.
    """

    rules: str
    find: Callable[[], Words | None]
    prefix: Callable[[Words, str], Words]
    version: Callable[[Words], Words]


def _program(name: str) -> Callable[[], Words | None]:
    def find() -> Words | None:
        path = shutil.which(name)
        return (path,) if path else None

    return find


def _sandlock() -> Words | None:
    """Return sandlock's own program or, where only its Python package is installed, an interpreter that has it."""
    program, script = shutil.which("sandlock"), shutil.which("sandlock-mcp")
    if program:
        return (program, "run")
    if script:
        return (str(Path(script).resolve().parent / "python"), "-I", "-c", _SDK)
    return None


def _bwrap_words(found: Words, work: str) -> Words:
    view = ("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--bind", work, work)
    return (*found, *view, "--unshare-all", "--unshare-user", "--die-with-parent", "--")


def _firejail_words(found: Words, work: str) -> Words:
    view = ("--noprofile", "--read-only=/", f"--read-write={work}", "--private-tmp", "--private-dev")
    rights = ("--net=none", "--ipc-namespace", "--caps.drop=all", "--nonewprivs", "--seccomp")
    return (*found, "--quiet", *view, *rights, "--deterministic-exit-code", "--")


def _nsjail_words(found: Words, work: str) -> Words:
    view = ("--chroot", "/", "--bindmount", work, "--tmpfsmount", "/tmp", "--cwd", work)
    return (*found, "-Mo", "--really_quiet", "--time_limit", "0", *view, "--keep_env", "--disable_rlimits", "--")


def _sandlock_words(found: Words, work: str) -> Words:
    if found[-1] == _SDK:
        return (*found, work)
    return (*found, "-r", "/", "-w", work, "-w", "/tmp", "-w", "/dev", "--")


def _sandlock_version(found: Words) -> Words:
    if found[-1] == _SDK:
        return (found[0], "-I", "-c", "import sandlock; print('sandlock', sandlock.__version__)")
    return (found[0], "--version")


PEERS: dict[str, Peer] = {
    "bwrap": Peer(
        "bubblewrap: all namespaces, no seccomp filter",
        _program("bwrap"),
        _bwrap_words,
        lambda found: (*found, "--version"),
    ),
    "firejail": Peer(
        "firejail: its seccomp filter, no profile, no user namespace",
        _program("firejail"),
        _firejail_words,
        lambda found: (*found, "--version"),
    ),
    "nsjail": Peer("nsjail: all namespaces, no seccomp filter", _program("nsjail"), _nsjail_words, lambda found: ()),
    "sandlock": Peer(
        "sandlock: Landlock and a seccomp filter with a supervisor, no namespaces. Where only its Python package is "
        "installed, an interpreter starts first, and that is in its launch",
        _sandlock,
        _sandlock_words,
        _sandlock_version,
    ),
}


def version(name: str) -> str:
    """Return what a peer says of its version: one line, empty when it says nothing."""
    found = PEERS[name].find()
    words = PEERS[name].version(found) if found else ()
    if not words:
        return ""
    said = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=30)
    lines = said.stdout.split("\n")
    return lines[0].strip().rstrip(".") if said.returncode == 0 else ""
