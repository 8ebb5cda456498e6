"""`scripts/bench`: rounds in which every world has its turn, then a table and JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts.benchlib.report import ITEMS, Samples, as_json, table
from scripts.benchlib.worlds import World, base_python, furnish, large_system_file, prepare, worlds

ROOT = Path(__file__).resolve().parents[2]
GROUPS: dict[str, tuple[str, ...]] = {
    "pipeline": ("pipeline miss", "pipeline hit", "mediate miss", "mediate hit"),
    "files": (
        "lookup missing",
        "lookup",
        "open+read+close cold",
        "open+read+close warm",
        "create+write+close",
        "read workspace first",
        "read workspace again",
        "read system first",
        "read system again",
        "write",
    ),
    "programs": ("python first", "python later", "git status first", "git status second"),
    "launch": ("launch /bin/true",),
}
"""Items that one run measures together."""
OTHERS = {
    "net": "network",
    "net-long": "netlong",
    "audit": "records",
    "tail": "tailing",
    "mcp": "mcp",
    "probe": "probing",
}
"""First word → the module that measures it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the JSON. Ends with 0 also where an aim is missed: this is no test."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words and words[0] in OTHERS:
        other: int = importlib.import_module(f"scripts.benchlib.{OTHERS[words[0]]}").main(words[1:])
        return other
    args = _parser().parse_args(words)
    if args.list:
        print("\n".join(f"{group}: {', '.join(items)}" for group, items in GROUPS.items()))
        return 0
    wanted = set(args.only or ITEMS)
    groups = [group for group, items in GROUPS.items() if wanted & {group, *items}]
    directory = ROOT / ".bench" / f"run-{time.time_ns()}"
    try:
        samples = _measure(args, groups, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    kept = {name for group in groups for name in GROUPS[group] if group in wanted or name in wanted}
    samples.values = {name: values for name, values in samples.values.items() if name in kept}
    print("\n".join(table(samples)))
    if args.json:
        args.json.write_text(json.dumps(as_json(samples, args.rounds), indent=1, ensure_ascii=False) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    names = [*GROUPS, *ITEMS]
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Compare native, bubblewrap and this sandbox, one after the other in every round; shows medians. "
        "`scripts/bench net` compares networks: a veth, slirp4netns, pasta and this sandbox; `scripts/bench net-long` "
        "watches the memory of a long transfer beside many open flows; `scripts/bench audit` "
        "verifies and asks a log of a million records; `scripts/bench tail` tells what a tail costs a busy session; "
        "`scripts/bench mcp` what the MCP gateway adds to a call; "
        "`scripts/bench probe` what the model takes for a line.",
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each world has its turn (default: 5)")
    parser.add_argument("--only", action="append", choices=names, metavar="ITEM", help="an item or group; see --list")
    parser.add_argument("--list", action="store_true", help="print groups and items")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write medians and all values there")
    parser.add_argument("--profile", default="default", help="profile of the sandbox (default: default)")
    parser.add_argument("--gmcp", type=Path, default=ROOT / ".venv/bin/gmcp-sandbox", help="the program to measure")
    parser.add_argument("--count", type=int, default=200, help="file operations of a kind and round (default: 200)")
    parser.add_argument("--mib", type=int, default=64, help="size of the large file (default: 64)")
    return parser


def _measure(args: argparse.Namespace, groups: list[str], directory: Path) -> Samples:
    samples = Samples()
    others = [group for group in groups if group != "pipeline"]
    compared = worlds(directory, args.gmcp, args.profile) if others else []
    for world in compared:
        furnish(world, args.mib << 20)
    Path(large_system_file()).read_bytes()  # else the first world of the first round would pay for the disk
    for number in range(args.rounds):
        _progress(f"round {number + 1} of {args.rounds}")
        if "pipeline" in groups:
            from scripts.benchlib.pipeline import measure

            directory.mkdir(parents=True, exist_ok=True)
            samples.add("sandbox", measure(directory, args.profile))
        # Another one begins in every round, so that none always finds the machine as the same one left it.
        turn = number % len(compared) if compared else 0
        for group in others:
            for world in [*compared[turn:], *compared[:turn]]:
                _attempt(samples, world, group, number, args.count)
    _progress("")
    return samples


def _attempt(samples: Samples, world: World, group: str, number: int, count: int) -> None:
    run: Callable[[World, int, int], dict[str, list[float]]] = {
        "files": _files,
        "programs": _programs,
        "launch": _launch,
    }[group]
    try:
        samples.add(world.name, run(world, number, count))
    except subprocess.CalledProcessError as error:
        print(f"bench: {group} failed in {world.name}: {error.stderr.strip()[-500:]}", file=sys.stderr)
    except (subprocess.TimeoutExpired, ValueError) as error:
        print(f"bench: {group} failed in {world.name}: {error}", file=sys.stderr)


def _files(world: World, number: int, count: int) -> dict[str, list[float]]:
    directory = prepare(world, number, count)
    try:
        script = str(world.workspace / "inside.py")
        output = world.run(base_python(), "-I", script, str(directory), large_system_file(), str(count))
    finally:
        shutil.rmtree(directory)
    return {name: [value] for name, value in json.loads(output).items()}


def _programs(world: World, number: int, count: int) -> dict[str, list[float]]:
    script = str(world.workspace / "programs.sh")
    output = world.run("/bin/bash", script, base_python(), str(world.workspace / "repository"))
    return {name: [value / 1000 for value in values] for name, values in json.loads(output).items()}


def _launch(world: World, number: int, count: int) -> dict[str, list[float]]:
    times = []
    for _ in range(3):
        begun = time.perf_counter_ns()
        world.run("/bin/true")
        times.append((time.perf_counter_ns() - begun) / 1e6)
    return {"launch /bin/true": times}


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
