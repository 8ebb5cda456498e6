"""What the semantic gate costs real work: calls that it judged, those that nothing remembered answered, milliseconds.

Each workload runs in a fresh workspace three times in a row: with a gate that looks at nothing, with one that remembers
nothing yet, and with one that remembers the run before.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.benchlib.projects import archive, c_sources, repository

ROOT = Path(__file__).resolve().parents[2]
BLIND = 'name = "blind"\nextends = "default"\n[probe]\ntools = ["mcp.prompt"]\n'
"""A profile whose gate looks at no call that these workloads make."""
_COMMAND = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from gmcp_sandbox.cli.main import main; sys.exit(main())"


@dataclass(frozen=True, slots=True)
class Workload:
    """Something that people do.

    Attributes:
        furnish: Puts what it needs into the workspace.
        argv: The program.
    """

    name: str
    furnish: Callable[[Path], None]
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One run: wall-clock seconds and the gate's effort."""

    seconds: float
    effort: dict[str, float]


def _tests(work: Path) -> None:
    (work / "tests").mkdir()
    for number in range(30):
        body = "".join(
            f"def test_{k}(tmp_path):\n    (tmp_path / 'a').write_text('{k}')\n    assert {k} + 1 == {k + 1}\n\n"
            for k in range(10)
        )
        (work / "tests" / f"test_part{number}.py").write_text(body)


def _origin(work: Path) -> None:
    (work / "origin").mkdir()
    repository(work / "origin", 600, 20)


_SHELL = ("/bin/bash", "-e", "-c")
_PYTHON = "python3" if sys.executable.startswith("/tmp/") else sys.executable
"""The session has a /tmp of its own: an environment that lies there is not in it."""
WORKLOADS = (
    Workload("git clone, status, diff", _origin, (*_SHELL, "git clone -q origin copy; cd copy; git status; git diff")),
    Workload("pytest, 300 tests", _tests, (_PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")),
    Workload("gcc and make, 25 files", c_sources, ("make", "-s")),
    Workload("unpack 3,000 files, workspace", archive, ("tar", "xzf", "many.tar.gz")),
    Workload("unpack 3,000 files, /tmp", archive, ("tar", "xzf", "many.tar.gz", "-C", "/tmp")),
    Workload("remove 3,000 files", archive, (*_SHELL, "tar xzf many.tar.gz; rm -r many")),
)


def measure(directory: Path, rounds: int) -> Iterator[tuple[str, list[Run]]]:
    """Yield each workload with its best blind, first and remembering run."""
    directory.mkdir(parents=True, exist_ok=True)
    blind = directory / "blind.toml"
    blind.write_text(BLIND)
    for workload in WORKLOADS:
        kinds: list[list[Run]] = [[], [], []]
        for number in range(rounds):
            state = directory / f"state-{number}"
            for kind, profile in zip(kinds, (str(blind), "default", "default"), strict=True):
                kind.append(_run(workload, directory / "work", state, profile))
            shutil.rmtree(state)
        yield workload.name, [min(kind, key=lambda run: run.seconds) for kind in kinds]


def _run(workload: Workload, work: Path, state: Path, profile: str) -> Run:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    workload.furnish(work)
    reader, writer = os.pipe()
    words = ("exec", "-p", profile, "--json-status", str(writer), "--", *workload.argv)
    begun = time.perf_counter()
    try:
        subprocess.run(
            [sys.executable, "-c", _COMMAND, *words],
            cwd=work,
            env={**os.environ, "XDG_STATE_HOME": str(state)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            pass_fds=(writer,),
        )
        seconds = time.perf_counter() - begun
    finally:
        os.close(writer)
    with open(reader, "rb") as file:
        final: dict[str, Any] = json.loads(file.read().splitlines()[-1])
    return Run(seconds, final["probe"] or {})


def table(found: Iterator[tuple[str, list[Run]]]) -> Iterator[str]:
    """Yield the lines of the table."""
    times = f"{'no gate s':>10}{'first s':>10}{'later s':>10}"
    yield f"{'':<32}{times}{'judged':>9}{'misses':>8}{'passes':>8}{'ms':>8}{'slower':>9}"
    for name, (blind, first, later) in found:
        effort = "".join(
            f"{first.effort.get(key, 0):>{width}}" for key, width in (("judged", 9), ("misses", 8), ("passes", 8))
        )
        slower = (later.seconds / blind.seconds - 1) * 100
        times = f"{blind.seconds:>10.2f}{first.seconds:>10.2f}{later.seconds:>10.2f}"
        yield f"{name:<32}{times}{effort}{first.effort.get('ms', 0):>8.1f}{slower:>+8.1f}%"
