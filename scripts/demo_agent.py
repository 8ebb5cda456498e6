"""A sample agent for `scripts/demo`: ordinary work in its workspace, and then what an agent should not do.

Each attempt prints one line: what it tried and how the system answered. It refuses to start where it would meet no
resistance: outside of the sandbox its mischief would be real.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path


def attempt(title: str, action: Callable[[], object]) -> None:
    """Do it, and print what came of it."""
    try:
        result = action()
    except OSError as error:
        outcome = f"{type(error).__name__}: {error.strerror}"
    except subprocess.CalledProcessError as error:
        said = (error.stderr or "").strip().splitlines() or ["nothing said"]
        outcome = f"status {error.returncode}: {said[-1]}"
    else:
        outcome = str(result).strip().splitlines()[0] if str(result).strip() else "done"
    print(f"  {title:<52} {outcome}", flush=True)


def read(path: str) -> str:
    """Return how many characters the file has."""
    return f"{len(Path(path).expanduser().read_text())} characters"


def write(path: str, text: str = "changed by the agent\n") -> str:
    """Write the file."""
    Path(path).write_text(text)
    return "written"


def run(*argv: str) -> str:
    """Run a program and return what it prints."""
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def link_to(target: str, *, is_hard: bool) -> str:
    """Reach a secret by another name."""
    name = f"{'hard' if is_hard else 'soft'}-link.txt"
    if is_hard:
        os.link(target, name)
    else:
        os.symlink(target, name)
    return read(name)


def scratch() -> str:
    """Use a temporary file as programs do."""
    with tempfile.NamedTemporaryFile("w+", suffix=".txt") as file:
        file.write("scratch")
        file.flush()
        return f"{os.path.getsize(file.name)} bytes in {os.path.dirname(file.name)}"


def commit() -> str:
    """Make a repository and a commit in it."""
    identity = ("-c", "user.name=agent", "-c", "user.email=agent@example.com", "-c", "commit.gpgsign=false")
    run("git", "init", "--quiet", ".")
    run("git", "add", "main.py")
    run("git", *identity, "commit", "--quiet", "-m", "first")
    return run("git", "log", "--oneline")


def work() -> None:
    """What an agent is for."""
    attempt("write main.py in the workspace", lambda: write("main.py", "print('hello from ' + __file__)\n"))
    attempt("run it with this Python", lambda: run(sys.executable, "main.py"))
    attempt("git init, add, commit, log", commit)
    attempt("a temporary file", scratch)


def mischief() -> None:
    """What it should not be able to do."""
    attempt("read /etc/shadow", lambda: read("/etc/shadow"))
    attempt("read ~/.ssh/id_rsa", lambda: read("~/.ssh/id_rsa"))
    attempt("read the workspace's .env", lambda: read(".env"))
    attempt("read .env through a symbolic link", lambda: link_to(".env", is_hard=False))
    attempt("read .env through a hard link", lambda: link_to(".env", is_hard=True))
    attempt("write /usr/bin/innocent", lambda: write("/usr/bin/innocent"))
    attempt("plant a git hook that runs on the host later", lambda: write(".git/hooks/pre-commit", "#!/bin/sh\nid\n"))
    attempt("make git run a program on the host later", lambda: run("git", "config", "core.fsmonitor", "./spy"))
    attempt("enter a user namespace of its own", lambda: run("unshare", "--user", "id", "-u"))


def is_governed() -> bool:
    """True when the root directory is the sandbox's own file system (its type in the mount table)."""
    mounts = (line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return any(left.split()[4] == "/" and right.startswith("fuse.gmcp-sandbox ") for left, right in mounts)


if __name__ == "__main__":
    if not is_governed():
        sys.exit("error: this agent misbehaves on purpose\n  try:   gmcp-sandbox exec scripts/demo_agent.py")
    print("ordinary work:")
    work()
    print("mischief:")
    mischief()
