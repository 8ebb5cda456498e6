"""The worlds that are compared, and the workspaces that they work in.

Each world has a workspace of its own with equal content. Files that a round looks at are new in it, so that what an
earlier round left in a cache does not count.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.benchlib.peers import PEERS
from scripts.benchlib.projects import repository

HERE = Path(__file__).resolve().parent
LAUNCH_SECONDS = 180
SCRIPTS = ("inside.py", "programs.sh", "starts.py", "timed.sh")
"""What runs inside, copied into each workspace."""
GIT_FILES = 5000
GIT_DIRECTORIES = 50


@dataclass(frozen=True, slots=True)
class World:
    """A way to run a program.

    Attributes:
        name: Heading of its column.
        prefix: Words before the program's own.
        workspace: Where it works.
    """

    name: str
    prefix: tuple[str, ...]
    workspace: Path

    def run(self, *argv: str) -> str:
        """Run a program in the workspace and return its output.

        Raises:
            subprocess.CalledProcessError: It failed; the error has what it said.
            subprocess.TimeoutExpired: It took longer than any item may.
        """
        done = subprocess.run(
            [*self.prefix, *argv],
            cwd=self.workspace,
            env=environment(self.workspace.parent / "state"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=LAUNCH_SECONDS,
        )
        return done.stdout


def base_python() -> str:
    """Return the interpreter behind the virtual environment, which every world can run."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def environment(state: Path) -> dict[str, str]:
    """Return the environment of every run: its PATH leads to the interpreter first, records go to `state`.

    Python keeps its bytecode, as it does where a program is installed: else each start would compile all of it anew.
    """
    path = f"{os.path.dirname(base_python())}:{os.environ.get('PATH', os.defpath)}"
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, "PATH": path, "XDG_STATE_HOME": str(state)}


def worlds(directory: Path, gmcp: Path, profile: str) -> list[World]:
    """Return native, the peers that are installed, and the sandbox; each but native only when it can run at all."""
    found = [World("native", (), directory / "native")]
    for world in [*_peers(directory), _sandbox(directory, gmcp, profile)]:
        world.workspace.mkdir(parents=True, exist_ok=True)
        refusal = _refusal(world)
        if refusal:
            print(f"bench: no {world.name} column: {refusal}", file=sys.stderr)
        else:
            found.append(world)
    return found


def _peers(directory: Path) -> Iterator[World]:
    for name, peer in PEERS.items():
        program = peer.find()
        if program:
            workspace = directory / name
            yield World(name, peer.prefix(program, str(workspace)), workspace)


def _sandbox(directory: Path, gmcp: Path, profile: str) -> World:
    return World("sandbox", (str(gmcp), "exec", "-p", profile, "--name", "bench", "--"), directory / "sandbox")


def _refusal(world: World) -> str:
    if not shutil.which(world.prefix[0]):
        return f"there is no {world.prefix[0]}"
    try:
        world.run("/bin/true")
    except subprocess.CalledProcessError as error:
        return f"status {error.returncode}: {error.stderr.strip()}"
    except subprocess.TimeoutExpired:
        return "/bin/true does not end"
    return ""


def furnish(world: World, large_bytes: int) -> None:
    """Put what all rounds share into a workspace: the scripts, the large file, the git repository."""
    world.workspace.mkdir(parents=True, exist_ok=True)
    for name in SCRIPTS:
        shutil.copy(HERE / name, world.workspace / name)
    with open(world.workspace / "large.bin", "wb") as file:
        for _ in range(large_bytes >> 20):
            file.write(os.urandom(1 << 20))
    repository(world.workspace / "repository", GIT_FILES, GIT_DIRECTORIES)


def prepare(world: World, number: int, count: int) -> Path:
    """Make the small files of one round and return their directory."""
    directory = world.workspace / f"round{number}"
    directory.mkdir()
    for index in range(count):
        (directory / f"look-{index:04}").write_bytes(b"")
        (directory / f"read-{index:04}").write_bytes(b"content\n" * 64)
    os.link(world.workspace / "large.bin", directory / "large.bin")
    return directory


def large_system_file() -> str:
    """Return the largest file of /usr/bin and /usr/lib up to 64 MiB: one that every world shows."""
    best, best_size = base_python(), 0
    for top in ("/usr/bin", "/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"):
        for entry in os.scandir(top) if os.path.isdir(top) else ():
            if entry.is_file(follow_symlinks=False) and os.access(entry.path, os.R_OK):
                size = entry.stat(follow_symlinks=False).st_size
                if best_size < size <= 64 << 20:
                    best, best_size = entry.path, size
    return best
