"""The rounds of `scripts/bench`: in each, every world has its turn at every group of items.

What a group needs is made before the first round, in each world's own workspace, natively. What cannot be made here (no
compiler, no pytest) leaves its items out, and says so. Small files stay until the end: on ext4 whoever makes files soon
after others were deleted takes two or three times as long, because it looks through the deleted inodes first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from scripts.benchlib.projects import ARCHIVE, archive, c_sources, package_tests, static_program
from scripts.benchlib.report import Samples
from scripts.benchlib.worlds import World, base_python, furnish, large_system_file, prepare, worlds

Measured = dict[str, list[float]]
Run = Callable[[World, int, Namespace], Measured]
LAUNCHES = 3


def measure(args: Namespace, groups: Sequence[str], directory: Path) -> Samples:
    """Measure groups in all worlds; what fails in one world is said, and left out there."""
    samples = Samples()
    others = [group for group in groups if group != "pipeline"]
    compared = worlds(directory, args.gmcp, args.profile) if others else []
    for world in compared:
        _progress(f"making what {world.name} works on")
        furnish(world, args.mib << 20)
    kept = [group for group in others if all(_is_made(group, world) for world in compared)]
    Path(large_system_file()).read_bytes()  # else the first world of the first round would pay for the disk
    for number in range(args.rounds):
        if "pipeline" in groups:
            samples.add("sandbox", _pipeline(directory, args.profile))
        # Another one begins in every round, so that none always finds the machine as the same one left it.
        turn = number % len(compared) if compared else 0
        for group in kept:
            for world in [*compared[turn:], *compared[:turn]]:
                _progress(f"round {number + 1} of {args.rounds}: {group}, {world.name}")
                os.sync()  # else one world would pay for what the one before it has written
                _attempt(samples, world, group, number, args)
    _progress("")
    return samples


def _pipeline(directory: Path, profile: str) -> dict[str, float]:
    from scripts.benchlib.pipeline import measure as measure_pipeline

    directory.mkdir(parents=True, exist_ok=True)
    return measure_pipeline(directory, profile)


def _is_made(group: str, world: World) -> bool:
    make = MAKERS.get(group)
    try:
        if make is not None:
            make(world)
    except (OSError, KeyError, PackageNotFoundError, subprocess.CalledProcessError) as error:
        said = str(getattr(error, "stderr", None) or getattr(error, "stdout", None) or error).strip()
        print(f"bench: {group} is left out, what it needs cannot be made here: {said[-500:]}", file=sys.stderr)
        return False
    return True


def _attempt(samples: Samples, world: World, group: str, number: int, args: Namespace) -> None:
    try:
        samples.add(world.name, RUNS[group](world, number, args))
    except subprocess.CalledProcessError as error:
        print(f"bench: {group} failed in {world.name}: {error.stderr.strip()[-500:]}", file=sys.stderr)
    except (subprocess.TimeoutExpired, ValueError) as error:
        print(f"bench: {group} failed in {world.name}: {error}", file=sys.stderr)


# ------------------------------------------------------------------------------------- what a group needs and does


def _files(world: World, number: int, args: Namespace) -> Measured:
    directory = prepare(world, number, args.count)
    script = str(world.workspace / "inside.py")
    output = world.run(base_python(), "-I", script, str(directory), large_system_file(), str(args.count))
    (directory / "written.bin").unlink()
    return {name: [value] for name, value in json.loads(output).items()}


def _programs(world: World, number: int, args: Namespace) -> Measured:
    script = str(world.workspace / "programs.sh")
    output = world.run("/bin/bash", script, base_python(), str(world.workspace / "repository"))
    return {name: [value / 1000 for value in values] for name, values in json.loads(output).items()}


def _launch(world: World, number: int, args: Namespace) -> Measured:
    times = []
    for _ in range(LAUNCHES):
        begun = time.perf_counter_ns()
        world.run("/bin/true")
        times.append((time.perf_counter_ns() - begun) / 1e6)
    return {"launch /bin/true": times}


def _make_exec(world: World) -> None:
    static_program(world.workspace / "nothing")


def _exec(world: World, number: int, args: Namespace) -> Measured:
    script, program = (str(world.workspace / name) for name in ("starts.py", "nothing"))
    static, dynamic = json.loads(world.run(base_python(), "-I", script, str(args.starts), program, "/bin/true"))
    return {"exec": [static], "exec /bin/true": [dynamic]}


def _make_suite(world: World) -> None:
    (world.workspace / "suite").mkdir()
    words = package_tests(world.workspace / "suite", base_python())
    (world.workspace / "suite.json").write_text(json.dumps(words))


def _suite(world: World, number: int, args: Namespace) -> Measured:
    words = json.loads((world.workspace / "suite.json").read_text())
    return {"pytest suite": [_timed(world, "suite", *words)]}


def _make_build(world: World) -> None:
    (world.workspace / "build").mkdir()
    c_sources(world.workspace / "build")
    subprocess.run(["make", "-s"], cwd=world.workspace / "build", check=True, capture_output=True, text=True)


def _build(world: World, number: int, args: Namespace) -> Measured:
    for path in [*(world.workspace / "build").glob("*.o"), world.workspace / "build" / "app"]:
        path.unlink(missing_ok=True)
    return {"gcc build": [_timed(world, "build", "make", "-s")]}


def _make_unpack(world: World) -> None:
    (world.workspace / "unpack").mkdir()
    archive(world.workspace / "unpack")


def _unpack(world: World, number: int, args: Namespace) -> Measured:
    directory = f"unpack/round{number}"
    (world.workspace / directory).mkdir()
    return {"unpack 3,000 files": [_timed(world, directory, "tar", "xzf", f"../{ARCHIVE}")]}


def _timed(world: World, directory: str, *words: str) -> float:
    """Run a program in a directory of the workspace and return its milliseconds, the sandbox's own start left out."""
    script = str(world.workspace / "timed.sh")
    return float(world.run("/bin/bash", script, str(world.workspace / directory), *words))


MAKERS: dict[str, Callable[[World], None]] = {
    "exec": _make_exec,
    "suite": _make_suite,
    "build": _make_build,
    "unpack": _make_unpack,
}
RUNS: dict[str, Run] = {
    "launch": _launch,
    "programs": _programs,
    "suite": _suite,
    "build": _build,
    "unpack": _unpack,
    "exec": _exec,
    "files": _files,
}


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
