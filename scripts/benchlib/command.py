"""`scripts/bench`: rounds in which every world has its turn, then a table, JSON, and a page with plots."""

from __future__ import annotations

import argparse
import compileall
import importlib
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.benchlib.explanations import COMMITTED, Explanations
from scripts.benchlib.host import about_run
from scripts.benchlib.page import write
from scripts.benchlib.report import ITEMS, Samples, as_json, from_json, table
from scripts.benchlib.rounds import measure

ROOT = Path(__file__).resolve().parents[2]
GROUPS: dict[str, tuple[str, ...]] = {
    "launch": ("launch /bin/true",),
    "programs": ("python first", "python later", "git status first", "git status second"),
    "suite": ("pytest suite",),
    "build": ("gcc build",),
    "unpack": ("unpack 3,000 files",),
    "exec": ("exec", "exec /bin/true"),
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
    "pipeline": ("pipeline miss", "pipeline hit", "mediate miss", "mediate hit"),
}
"""Items that one run measures together."""
OTHERS = {
    "net": "network",
    "net-long": "netlong",
    "arrivals": "arriving",
    "audit": "records",
    "tail": "tailing",
    "mcp": "mcp",
    "probe": "probing",
}
"""First word → the module that measures it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, write what is asked for. Ends with 0 also where an aim is missed: this is no test."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words and words[0] in OTHERS:
        other: int = importlib.import_module(f"scripts.benchlib.{OTHERS[words[0]]}").main(words[1:])
        return other
    parser = _parser()
    args = parser.parse_args(words)
    if args.list:
        print("\n".join(f"{group}: {', '.join(items)}" for group, items in GROUPS.items()))
        return 0
    if args.write and args.only:
        parser.error("--write makes a page of everything: leave --only out, or give a file with --from")
    try:
        explanations = Explanations.read()
        results = _read(args.source) if args.source else _run(args, words)
    except ValueError as error:
        parser.error(str(error))
    print("\n".join(table(from_json(results))))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if args.write:
        for finding in write(COMMITTED, results, explanations):
            print(f"bench: {finding}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    names = [*GROUPS, *ITEMS]
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Compare native, bubblewrap, other sandboxes that are installed (firejail, nsjail, sandlock) and "
        "this one, one after the other in every round; shows medians. "
        "`scripts/bench net` compares networks: a veth, slirp4netns, pasta and this sandbox; `scripts/bench net-long` "
        "watches the memory of a long transfer beside many open flows; `scripts/bench audit` "
        "verifies and asks a log of a million records; `scripts/bench tail` tells what a tail costs a busy session; "
        "`scripts/bench mcp` what the MCP gateway adds to a call; "
        "`scripts/bench probe` what the model takes for a line.",
    )
    parser.add_argument("--rounds", type=_count, default=3, help="how often each world has its turn (default: 3)")
    parser.add_argument("--only", action="append", choices=names, metavar="ITEM", help="an item or group; see --list")
    parser.add_argument("--list", action="store_true", help="print groups and items")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write medians and all values there")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="measure nothing: take such a file")
    parser.add_argument("--write", action="store_true", help=f"write {COMMITTED.relative_to(ROOT)}: page, plots, JSON")
    parser.add_argument("--profile", default="default", help="profile of the sandbox (default: default)")
    parser.add_argument("--gmcp", type=Path, default=ROOT / ".venv/bin/gmcp-sandbox", help="the program to measure")
    parser.add_argument("--count", type=_count, default=200, help="file operations of a kind and round (default: 200)")
    parser.add_argument("--starts", type=_count, default=300, help="program starts of a kind and round (default: 300)")
    parser.add_argument("--mib", type=_count, default=64, help="size of the large file (default: 64)")
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def _read(source: Path) -> dict[str, Any]:
    try:
        results: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot read {source}: {error.strerror}") from None
    from_json(results)
    return results


def _run(args: argparse.Namespace, words: Sequence[str]) -> dict[str, Any]:
    wanted = set(args.only or ITEMS)
    groups = [group for group, items in GROUPS.items() if wanted & {group, *items}]
    # As where it is installed: with its bytecode. Whether this environment would let Python write it does not matter.
    compileall.compile_dir(ROOT / "gmcp_sandbox", quiet=1)
    directory = ROOT / ".bench" / f"run-{time.time_ns()}"
    about = about_run(args, words)
    try:
        samples = measure(args, groups, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    kept = {name for group in groups for name in GROUPS[group] if group in wanted or name in wanted}
    measured = Samples({name: values for name, values in samples.values.items() if name in kept})
    if not measured.values:
        raise ValueError("nothing could be measured")
    about["load"].append(os.getloadavg()[0])
    return as_json(measured, about)
